"""Alignment and uniformity: the two halves of a contrastive loss (Wang & Isola, arXiv 2005.10242)."""

from __future__ import annotations

import numpy as np

from clipspace.errors import InputError

_ROWS = 1024


def alignment(x: np.ndarray, y: np.ndarray) -> float:
    """Mean squared distance of pairs of unit vectors (n, d): 0 when each pair is one point. Unbiased at any n.

    >>> alignment(np.eye(3), np.eye(3))
    0.0
    """
    if np.shape(x) != np.shape(y):
        raise InputError(f"alignment: expected pairs, got shapes {np.shape(x)} and {np.shape(y)}")
    return float(((np.asarray(x, dtype=np.float64) - y) ** 2).sum(axis=1).mean())


def uniformity(x: np.ndarray) -> float:
    """Log of the mean, over distinct pairs of unit vectors (n, d), of exp(-2 |x - x'|^2).

    0 when all points are one, towards -4 when directions are spread evenly over many dimensions. The mean is
    unbiased, so its log is a little low at small n; exact over all pairs, at a cost of n^2 d.
    """
    return float(np.log(closeness(x).mean()))


def closeness(x: np.ndarray) -> np.ndarray:
    """Mean of exp(-2 |x - x'|^2) of each unit vector of (n, d) over all others, float64 (n,)."""
    x = np.asarray(x, dtype=np.float64)
    n = len(x)
    if n < 2:
        raise InputError(f"uniformity: expected at least two points, got {n}")
    sums = np.concatenate([np.exp(4 * (x[i : i + _ROWS] @ x.T) - 4).sum(axis=1) for i in range(0, n, _ROWS)])
    return (sums - np.exp(4 * (x**2).sum(axis=1) - 4)) / (n - 1)
