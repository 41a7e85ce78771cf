"""Salience of a factor: how far z moves when it changes, how consistently, and its share of the variance of z."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from clipspace.errors import InputError
from clipspace.measure.estimate import Estimate
from clipspace.measure.variance_share import variance_share
from clipspace.points import sphere
from clipspace.probes.factors.factor import Factor
from clipspace.probes.factors.layers import encode
from clipspace.probes.factors.resampled import Measure
from clipspace.probes.factors.sensitivity import consistency, sensitivity, typical_angle
from clipspace.scenes import ImpossibleChange
from clipspace.seeds import stream

if TYPE_CHECKING:
    from PIL import Image

    from clipspace.space import Space

BINS = 8
"""Quantile bins of an amount, whose share of the variance is measured as that of labels."""
_FEWEST_PAIRS = 2


def salience(
    space: Space, factor: Factor, vectors: np.ndarray, *, pairs: int, seed: int, batch_size: int
) -> dict[str, Measure | Estimate]:
    """ "variance", and where the factor can be changed "sensitivity" and "consistency", of raw embeddings ``(n, d)``.

    Sensitivity is in one unit for labels and amounts: the mean angle between an image and the same image with the factor
    *drawn again* (another label; another amount, independent of the first), over the mean angle between images in
    which everything is drawn again.
    """
    rows = factor.rows
    found: dict[str, Measure | Estimate] = {
        "variance": variance_share(sphere.unit(vectors[rows]), _classes([factor.values[i] for i in rows]))
    }
    if factor.change is not None:
        taken, images, new = _changed(factor, pairs, seed)
        after, old = encode(space, images, batch_size), [factor.values[i] for i in taken]
        typical = typical_angle(vectors, seed=seed)
        found["sensitivity"] = sensitivity(vectors[taken], after, typical=typical, seed=seed)
        found["consistency"] = consistency(vectors[taken], after, old, new, period=factor.period, seed=seed)
    return found


def _changed(factor: Factor, pairs: int, seed: int) -> tuple[list[int], list[Image.Image], list[Any]]:
    """Rows, their images with the factor changed, and the new values; rows that cannot be changed are passed over."""
    assert factor.change is not None
    taken, images, new = [], [], []
    for i in stream(seed, "counterfactual rows").permutation(factor.rows).tolist():
        if len(taken) == pairs:
            break
        try:
            image, value = factor.change(i, stream(seed, "counterfactual", i))
        except ImpossibleChange:
            continue
        taken.append(i)
        images.append(image)
        new.append(value)
    if len(taken) < _FEWEST_PAIRS:
        raise InputError(
            f"retention: expected at least {_FEWEST_PAIRS} images whose {factor.name!r} can be changed, got {len(taken)}; add images"
        )
    return taken, images, new


def _classes(values: list[Any]) -> np.ndarray:
    """Class numbers: of labels one each, of amounts `BINS` quantile bins."""
    if not isinstance(values[0], (float, np.floating)):
        return np.unique([str(value) for value in values], return_inverse=True)[1]
    amounts = np.asarray(values, dtype=float)
    return np.searchsorted(np.quantile(amounts, np.arange(1, BINS) / BINS), amounts, side="right")
