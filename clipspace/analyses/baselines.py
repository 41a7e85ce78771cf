"""Baselines of a cosine to z: the cosine of the same images to the z of other images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from clipspace.analyses.examples import EXAMPLES
from clipspace.measure.bootstrap import bootstrap
from clipspace.points.embeddings import Embeddings
from clipspace.results.table import Row, scored
from clipspace.scenes import render

if TYPE_CHECKING:
    from clipspace.space import Space

CIRCULAR = "The cosines are circular: the CLIP that steers the decoder judges its images."


def to_others(space: Space, again: np.ndarray, points: Embeddings) -> tuple[np.ndarray, str]:
    """Mean cosine of each image's decodes to the z of the other images ``(n,)``, and whose z those are, in words.

    ``again`` ``(n, k, d)`` are unit embeddings of k images drawn of each of the n ``points``. Where there is but one
    image, the others are the bundled scenes; those are no baseline for a set that lies close together.
    """
    n = len(points)
    if n == 1:
        return (again @ bundled(space).unit.T).mean(axis=(1, 2)), "the bundled scenes, for there is one image"
    cosines = np.einsum("nkd,md->nmk", again, points.unit).mean(axis=2)
    return (cosines.sum(axis=1) - np.diag(cosines)) / (n - 1), "the other images"


def far(doing: str, space: Space, sources: Sequence, points: Embeddings, *, seed: int) -> tuple[list, list[str]]:
    """The `unfamiliarity` of each source, None where the decoder has none, and a sentence where some are far.

    Warns (`UnfamiliarWarning`) of those.
    """
    from clipspace.space.familiarity import FAR, unfamiliarity, warn_unfamiliar

    ratios = unfamiliarity(space, list(sources), points, seed=seed)
    warn_unfamiliar(doing, space, ratios, stacklevel=3)
    if ratios is None:
        return [None] * len(points), []
    beyond = ratios[ratios > FAR]
    if not len(beyond):
        return ratios.tolist(), []
    return ratios.tolist(), [
        f"{len(beyond)} of {len(ratios)} images lie far from what the decoder draws: its denoising error is {np.median(beyond):.1f} times "
        f"that on its own images of the same z (far is more than {FAR:g}). Their decodes show the decoder rather than z."
    ]


def mean_of(name: str, values: np.ndarray, *, seed: int) -> Row:
    """The mean over images and its interval, which a single image does not have."""
    low, high = bootstrap(values, seed=seed) if len(values) > 1 else (None, None)
    return scored(score=name, value=float(np.mean(values)), low=low, high=high, n=len(values))


def shown(score: Row) -> str:
    """A mean, and its interval where it has one.

    >>> shown(scored(score="cosine", value=0.891, low=0.88, high=0.9))
    '0.89 [0.88, 0.90]'
    """
    return f"{score.value:.2f}" + ("" if score.low is None else f" [{score.low:.2f}, {score.high:.2f}]")


def bundled(space: Space) -> Embeddings:
    """The embeddings of the bundled scenes."""
    return space.encode_images([render(scene) for scene in EXAMPLES])
