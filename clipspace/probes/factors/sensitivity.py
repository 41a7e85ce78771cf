"""Sensitivity: how far z moves when one factor changes, and whether it moves the same way for every image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from clipspace.errors import InputError
from clipspace.points import sphere
from clipspace.probes.factors.factor import features
from clipspace.probes.factors.resampled import Measure, measured

UNRELATED = 5000


def typical_angle(vectors: np.ndarray, *, seed: int = 0) -> float:
    """Mean angle between unrelated points, radians: what sensitivity is measured in.

    Raises `InputError` where all points are one.
    """
    if len(vectors) < 2:
        raise InputError(f"sensitivity: expected at least two points, got {len(vectors)}")
    rng = np.random.default_rng([seed, 3])
    a = rng.integers(len(vectors), size=UNRELATED)
    b = (a + rng.integers(1, len(vectors), size=UNRELATED)) % len(vectors)
    typical = float(sphere.angle(vectors[a], vectors[b]).mean())
    if typical == 0:
        raise InputError("sensitivity: expected points that differ, got the same embedding for every image")
    return typical


def sensitivity(before: np.ndarray, after: np.ndarray, *, typical: float, seed: int = 0) -> Measure:
    """Mean angle between counterfactual pairs, in units of the ``typical`` angle between unrelated images.

    0 means that z does not change with the factor; 1 that it changes as much as for another image.
    """
    return measured(sphere.angle(before, after) / typical, seed=seed)


def consistency(
    before: np.ndarray, after: np.ndarray, old: Sequence[Any], new: Sequence[Any], *, period: float | None, seed: int
) -> Measure:
    """Mean cosine between a pair's displacement and what other pairs predict of it; chance is 0.

    The prediction is linear in the change of the factor's value, fitted on the other half of the pairs. 1 is an
    equivariant factor: the same change moves every image the same way.
    """
    coded, _ = features([*old, *new], period=period)
    change = coded[len(old) :] - coded[: len(old)]
    moved = sphere.unit(after) - sphere.unit(before)
    cosines = np.zeros(len(moved))
    order = np.random.default_rng([seed, 4]).permutation(len(moved))
    for fold in (order[0::2], order[1::2]):
        others = np.setdiff1d(order, fold)
        predicted = change[fold] @ _ridge(change[others], moved[others])
        lengths = sphere.norm(predicted) * sphere.norm(moved[fold])
        dots = np.einsum("nd,nd->n", predicted, moved[fold])
        cosines[fold] = np.divide(dots, lengths, out=np.zeros(len(fold)), where=lengths > 0)
    return measured(cosines, seed=seed)


def _ridge(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.linalg.solve(x.T @ x + np.eye(x.shape[1]), x.T @ y)
