"""Retrieval: whether the true match of a query is among the first k."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clipspace.errors import InputError
from clipspace.points.arrays import check_finite
from clipspace.sequences import check_labels, in_order

_ROWS = 1024


def ranks(
    queries: np.ndarray,
    points: np.ndarray,
    *,
    query_ids: Sequence | None = None,
    point_ids: Sequence | None = None,
    matches: np.ndarray | None = None,
) -> np.ndarray:
    """How many wrong points are at least as near (inner product) as the nearest true one: int64 (m,), 0 is best.

    Row i matches row i, or all points of the same id when ids are given (five captions of an image share its id), or
    those that ``matches``, bool (m, n), says. A point that occurs twice counts twice, so hand over each once.
    Ties count against, so a constant encoder retrieves nothing. Recall falls as n grows: report n.
    """
    query_labels = _ids(query_ids, len(queries))
    point_labels = _ids(point_ids, len(points))
    if len(query_labels) != len(queries) or len(point_labels) != len(points):
        raise InputError(
            f"ranks: expected {len(queries)} and {len(points)} ids, got {len(query_labels)} and {len(point_labels)}"
        )
    if matches is not None and np.shape(matches) != (len(queries), len(points)):
        raise InputError(f"ranks: expected matches of shape {(len(queries), len(points))}, got {np.shape(matches)}")
    missing = ~(np.isin(query_labels, point_labels) if matches is None else np.any(matches, axis=1))
    if missing.any():
        raise InputError(
            f"ranks: expected a true match for every query, got none for {int(missing.sum())} of {len(query_labels)} "
            f"(first: query {int(np.flatnonzero(missing)[0])}); pair the rows, or give ids"
        )
    check_finite("ranks", queries, points)
    n_nearer = np.empty(len(queries), dtype=np.int64)
    for start in range(0, len(queries), _ROWS):
        rows = slice(start, start + _ROWS)
        near = queries[rows] @ points.T
        true = query_labels[rows, None] == point_labels if matches is None else matches[rows]
        best = np.where(true, near, -np.inf).max(axis=1, keepdims=True)
        n_nearer[rows] = ((near >= best) & ~true).sum(axis=1)
    return n_nearer


def chance_recall(k: int, n: int, true: int = 1) -> float:
    """Recall@k of n points in random order, ``true`` of them right: one of those among the first k.

    >>> chance_recall(1, 8), chance_recall(1, 8, true=2), chance_recall(7, 8, true=2)
    (0.125, 0.25, 1.0)
    """
    if true == 1:
        return min(1.0, k / n)
    wrong = np.arange(n - true + 1, n + 1)  # all right ones lie in the last n - k places
    return float(1 - np.prod(np.maximum(wrong - k, 0) / wrong))


def _ids(values: Sequence | None, n: int) -> np.ndarray:
    """The ids given, by position; row numbers when None."""
    if values is None:
        return np.arange(n)
    values = in_order(values, "ranks: ids")
    check_labels(values, "ranks: ids")
    return np.asarray(values)
