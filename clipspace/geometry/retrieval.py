"""Retrieval: is the true match of a query among the first k."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clipspace.errors import InputError
from clipspace.geometry.finite import check_finite
from clipspace.sequences import check_labels, in_order

_ROWS = 1024


def ranks(
    queries: np.ndarray, points: np.ndarray, *, query_ids: Sequence | None = None, point_ids: Sequence | None = None
) -> np.ndarray:
    """How many wrong points are at least as near (inner product) as the nearest true one: int64 (m,), 0 is best.

    Row i matches row i, or all points of the same id when ids are given (five captions of an image share its id).
    Ties count against, so a constant encoder retrieves nothing. Recall falls as n grows: report n.
    """
    own = _ids(query_ids, len(queries))
    other = _ids(point_ids, len(points))
    if len(own) != len(queries) or len(other) != len(points):
        raise InputError(f"ranks: expected {len(queries)} and {len(points)} ids, got {len(own)} and {len(other)}")
    missing = ~np.isin(own, other)
    if missing.any():
        raise InputError(
            f"ranks: expected a true match for every query, got none for {int(missing.sum())} of {len(own)} "
            f"(first: query {int(np.flatnonzero(missing)[0])}); pair the rows, or give ids"
        )
    check_finite("ranks", queries, points)
    found = np.empty(len(queries), dtype=np.int64)
    for start in range(0, len(queries), _ROWS):
        rows = slice(start, start + _ROWS)
        near = queries[rows] @ points.T
        true = own[rows, None] == other
        best = np.where(true, near, -np.inf).max(axis=1, keepdims=True)
        found[rows] = ((near >= best) & ~true).sum(axis=1)
    return found


def chance_recall(k: int, n: int) -> float:
    """Recall@k of n points in random order, one of them true."""
    return min(1.0, k / n)


def _ids(values: Sequence | None, n: int) -> np.ndarray:
    """The ids given, by position; row numbers when None."""
    if values is None:
        return np.arange(n)
    values = in_order(values, "ranks: ids")
    check_labels(values, "ranks: ids")
    return np.asarray(values)
