"""Erasure control: decodes of points from which a factor was erased must lose it, and keep the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from clipspace.points.embeddings import Embeddings
from clipspace.probes.factors.erasure import fit_eraser
from clipspace.probes.factors.factor import Factor
from clipspace.probes.factors.recovery import decode_often, recovery
from clipspace.probes.factors.resampled import Measure
from clipspace.seeds import child_seed

if TYPE_CHECKING:
    from clipspace.space import Space

Reader = Callable[[Factor, np.ndarray], Measure]
"""The skill of a factor in re-encoded decodes (n, decodes, d)."""


def erasure_control(
    space: Space,
    factor: Factor,
    vectors: np.ndarray,
    taken: np.ndarray,
    read: Reader,
    before: Mapping[str, Measure],
    others: Sequence[Factor],
    *,
    seed: int,
    num_inference_steps: int,
    batch_size: int,
) -> dict[str, Measure]:
    """What becomes of ``factor`` in decodes of the rows ``taken`` once it is erased from z (LEACE, `fit_eraser`).

    *erased cycle* and *erased recovery* are its skills in one decode of each row, by the read-out of the cycle and by the
    reader without CLIP: 0 if the decoder took the factor from z, above 0 if it adds it by itself or the eraser left a part.
    *others erased* is the change of the mean skill of the ``others``, by the read-out of the cycle, from ``before``: 0 if
    only the factor is gone.
    """
    eraser = fit_eraser(Embeddings(vectors[factor.rows]), [factor.values[i] for i in factor.rows], period=factor.period)
    points = Embeddings(eraser.apply(vectors[taken]).vectors, space.stamp)
    drawn_with: dict[str, Any] = {"seed": child_seed(seed, "erased"), "num_inference_steps": num_inference_steps}
    images = decode_often(space, points, 1, **drawn_with)
    again = space.encode_images([row[0] for row in images], batch_size=batch_size).vectors[:, None]
    truth = [factor.values[i] for i in taken]
    measures = {"erased cycle": read(factor, again), "erased recovery": recovery(factor, truth, images, seed=seed)}
    if others:
        measures["others erased"] = _change([before[other.name] for other in others], [read(o, again) for o in others])
    return measures


def _change(before: Sequence[Measure], after: Sequence[Measure]) -> Measure:
    """The mean of ``after`` minus that of ``before``, of resamples of the same rows."""
    value = np.mean([new.value - old.value for old, new in zip(before, after, strict=True)])
    draws = np.mean([new.draws - old.draws for old, new in zip(before, after, strict=True)], axis=0)
    return Measure(float(value), draws, after[0].n)
