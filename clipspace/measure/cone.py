"""The cone effect: embeddings fill a narrow cone, to which few coordinates may contribute nearly everything.

``x`` (n, d) are unit vectors throughout.
"""

from __future__ import annotations

import numpy as np

from clipspace.errors import InputError
from clipspace.points.sphere import norm, unit

ROUNDING = 1e-6
"""Largest distance of a unit vector from a mean that single precision cannot tell from 0."""


def mean_cosine(x: np.ndarray) -> float:
    """Mean cosine of distinct pairs; unbiased at any n >= 2. 0 for directions drawn evenly.

    It is (|sum x|^2 - n) / (n (n - 1)), so no pair is formed (the cone effect of Liang et al., arXiv 2203.02053).

    >>> mean_cosine(np.eye(4))
    0.0
    """
    n = _count(x)
    return float((norm(np.sum(x, axis=0, dtype=np.float64)) ** 2 - n) / (n * (n - 1)))


def mean_norm(x: np.ndarray) -> float:
    """Norm of the mean vector. Its square is above `mean_cosine` by about (1 - `mean_cosine`) / n."""
    _count(x)
    return float(norm(np.mean(x, axis=0, dtype=np.float64)))


def conformity(x: np.ndarray) -> np.ndarray:
    """Mean cosine of each point to all others, float64 (n,) (Levi & Gilboa, arXiv 2411.14517)."""
    n = _count(x)
    return (x @ np.sum(x, axis=0, dtype=np.float64) - 1) / (n - 1)


def coordinate_shares(x: np.ndarray) -> np.ndarray:
    """Share of each coordinate in `mean_cosine`, float64 (d,), summing to 1 (Timkey & van Schijndel, arXiv 2109.04404).

    One "rogue" coordinate may hold most of it. Meaningless, and an `InputError`, where the mean cosine is not above 0.
    """
    n, x = _count(x), np.asarray(x, dtype=np.float64)
    contributions = (x.sum(axis=0) ** 2 - (x**2).sum(axis=0)) / (n * (n - 1))
    if contributions.sum() <= 0:
        raise InputError(
            f"coordinate_shares: expected a mean cosine above 0, got {contributions.sum():.2e}; this set has no cone to share"
        )
    return contributions / contributions.sum()


def centred(x: np.ndarray, mean: np.ndarray | None = None, *, start: int = 0) -> np.ndarray:
    """``x`` less its mean (or the one given), made unit again: float64 (n, d).

    Raises `InputError` for rows at the mean, of which only rounding would be left: those of a set of one direction.
    It names them, counted from ``start``.
    """
    moved = np.asarray(x, dtype=np.float64) - (np.mean(x, axis=0, dtype=np.float64) if mean is None else mean)
    at_mean = np.flatnonzero(norm(moved) < ROUNDING)
    if len(at_mean):
        raise InputError(
            f"centred: expected points that differ from their mean, got {len(at_mean)} that do not (first rows "
            f"{(start + at_mean[:5]).tolist()}), as where all images are alike; leave them out, or do not centre"
        )
    return unit(moved)


def _count(x: np.ndarray) -> int:
    if np.ndim(x) != 2 or len(x) < 2:
        raise InputError(f"cone: expected at least two points (n, d), got shape {np.shape(x)}")
    return len(x)
