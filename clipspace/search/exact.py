"""Exact nearest neighbours of arrays: every point is compared with every query, by FAISS."""

from __future__ import annotations

import numpy as np

from clipspace.errors import InputError
from clipspace.points.arrays import check_finite
from clipspace.search import faiss_backend

_ROWS = 1024
"""Number of points whose distances are recomputed together."""


def nearest(
    points: np.ndarray, queries: np.ndarray, k: int, *, euclidean: bool = False, threads: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` points (n, d) nearest to each query (m, d): inner products (m, k), falling, and rows (m, k).

    With ``euclidean``, squared distances, rising. Computed in float32, on all threads when ``threads`` is None, to the same bits
    on any number of them; vectors must be finite. Raises `InputError` for k beyond n.
    """
    if not 1 <= k <= len(points):
        raise InputError(f"nearest: expected k from 1 to {len(points)}, the points, got {k}")
    points = np.ascontiguousarray(points, dtype=np.float32)
    queries = np.ascontiguousarray(queries, dtype=np.float32)
    return faiss_backend.nearest(
        points, queries, k, euclidean=euclidean, threads=threads or faiss_backend.all_threads()
    )


def neighbours(x: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Euclidean distances (n, k), rising, float64, and rows (n, k) of the k points nearest to each point but itself.

    `nearest` has distances from inner products in single precision, too coarse for the ratios that estimators of
    dimension are made of; so they are measured again. Raises `InputError` for k beyond n - 1, and for NaN or infinity.
    """
    x = np.ascontiguousarray(x)
    n = len(x)
    if not 1 <= k < n:
        raise InputError(f"neighbours: expected k from 1 to {n - 1} for {n} points, got {k}")
    check_finite("neighbours", x)
    centred = (x - x.mean(axis=0)).astype(np.float32)
    _, candidates = nearest(centred, centred, min(k + 2, n), euclidean=True)
    distances, rows = np.empty((n, k)), np.empty((n, k), dtype=np.int64)
    for start in range(0, n, _ROWS):
        block = np.arange(start, min(start + _ROWS, n))
        near = candidates[block]
        far = np.linalg.norm(x[near].astype(np.float64) - x[block, None].astype(np.float64), axis=2)
        far[near == block[:, None]] = np.inf
        order = np.argsort(far, axis=1, kind="stable")[:, :k]
        distances[block] = np.take_along_axis(far, order, axis=1)
        rows[block] = np.take_along_axis(near, order, axis=1)
    return distances, rows
