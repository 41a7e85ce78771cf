"""Hubness: a few points are among the nearest neighbours of very many others (Radovanović et al. 2010)."""

from __future__ import annotations

import numpy as np

from clipspace.errors import InputError
from clipspace.points.arrays import check_finite
from clipspace.search.exact import nearest, neighbours


def occurrences(x: np.ndarray, *, k: int = 10, queries: np.ndarray | None = None) -> np.ndarray:
    """N_k: in how many top-k lists each point of ``x`` (n, d), unit vectors, occurs; int64 (n,).

    The lists are those of all other points of ``x``, or of ``queries`` (m, d) when given (texts as queries show
    which images are hubs for them). Raises `InputError` for duplicates, which crowd each other's lists.
    """
    if queries is not None:
        check_finite("occurrences", queries, x)
        return np.bincount(nearest(x, queries, k)[1].ravel(), minlength=len(x))
    return occurrences_of(*neighbours(x, k))


def occurrences_of(distances: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """`occurrences` from the distances and the row numbers (n, k) of the near neighbours of each point."""
    copies = int((distances[:, 0] == 0).sum())
    if copies:
        raise InputError(f"occurrences: expected distinct points, got {copies} that have a duplicate; drop those first")
    return np.bincount(rows.ravel(), minlength=len(rows))


def skewness(counts: np.ndarray) -> float:
    """Third standardised moment of counts: 0 without hubs, 1 and more with strong ones. Grows slowly with n.

    >>> round(skewness([0, 0, 0, 4]), 3)
    1.155
    """
    counts = np.asarray(counts, dtype=np.float64)
    spread = counts.std()
    if spread == 0:
        return 0.0
    return float((((counts - counts.mean()) / spread) ** 3).mean())
