"""Exact nearest neighbours: found by FAISS, measured in float64."""

from __future__ import annotations

import numpy as np

from clipspace.errors import InputError
from clipspace.measure.finite import check_finite
from clipspace.search.faiss_backend import all_threads, nearest

_ROWS = 1024


def neighbours(x: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Euclidean distances (n, k), rising, float64, and rows (n, k) of the k points nearest to each point but itself.

    FAISS's distances come from inner products in single precision, too coarse for the ratios that estimators of
    dimension are made of; so they are measured again. Raises `InputError` for k beyond n - 1.
    """
    x = np.ascontiguousarray(x)
    n = len(x)
    if not 1 <= k < n:
        raise InputError(f"neighbours: expected k from 1 to {n - 1} for {n} points, got {k}")
    check_finite("neighbours", x)
    single = (x - x.mean(axis=0)).astype(np.float32)
    _, found = nearest(single, single, k + 2, threads=all_threads(), euclidean=True)
    distances, rows = np.empty((n, k)), np.empty((n, k), dtype=np.int64)
    for start in range(0, n, _ROWS):
        block = np.arange(start, min(start + _ROWS, n))
        near = found[block]
        far = np.linalg.norm(x[near].astype(np.float64) - x[block, None].astype(np.float64), axis=2)
        far[near == block[:, None]] = np.inf
        order = np.argsort(far, axis=1, kind="stable")[:, :k]
        distances[block] = np.take_along_axis(far, order, axis=1)
        rows[block] = np.take_along_axis(near, order, axis=1)
    return distances, rows


def k_nearest(queries: np.ndarray, points: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Inner products (m, k), falling, and rows (m, k) of the ``k`` points nearest to each query (m, d)."""
    if not 1 <= k <= len(points):
        raise InputError(f"k_nearest: expected k from 1 to {len(points)}, the points, got {k}")
    check_finite("k_nearest", queries, points)
    single = [np.ascontiguousarray(a, dtype=np.float32) for a in (queries, points)]
    return nearest(*single, k, threads=all_threads())
