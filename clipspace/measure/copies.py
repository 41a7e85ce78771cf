"""Copies among points: the same image, encoded in another batch, differs in the last bits."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

COPIED = 1e-5
"""Distance, in units of the typical norm, below which two points count as copies. Batches move a float32 embedding by 1e-6."""
_LINES = 4


def originals(x: np.ndarray, *, tol: float = COPIED) -> np.ndarray:
    """For each of ``n`` finite points (n, d) the first row that it copies, itself where there is none; int64 (n,).

    A copy lies within ``tol`` typical norms of the point, or of another copy. Close rows are close along any line: only
    those are measured that follow each other on one and meet on three more, so the cost is of a sort.
    """
    n = len(x)
    scale = np.median(np.linalg.norm(x, axis=1)) if n else 0.0
    if scale == 0:
        return np.arange(n)
    lines = np.random.default_rng(0).standard_normal((x.shape[1], _LINES))
    places = np.asarray(x @ (lines / np.linalg.norm(lines, axis=0)).astype(x.dtype), dtype=np.float64)
    order = np.argsort(places[:, 0], kind="stable")
    places, far = places[order], tol * scale
    alone, links = np.arange(n), [np.empty((2, 0), dtype=np.int64)]
    for apart in range(1, n):
        alone = alone[alone >= apart]
        alone = alone[places[alone, 0] - places[alone - apart, 0] <= 2 * far]  # twice: places are rounded too
        if not len(alone):
            break
        near = alone[(np.abs(places[alone] - places[alone - apart]) <= 2 * far).all(axis=1)]
        i, j = order[near - apart], order[near]
        is_copy = np.linalg.norm(x[i].astype(np.float64) - x[j], axis=1) <= far
        links.append(np.stack([i[is_copy], j[is_copy]]))
        alone = np.setdiff1d(alone, near[is_copy], assume_unique=True)
    i, j = np.concatenate(links, axis=1)
    _, group = connected_components(coo_array((np.ones(len(i)), (i, j)), shape=(n, n)), directed=False)
    _, first = np.unique(group, return_index=True)
    return first[group]
