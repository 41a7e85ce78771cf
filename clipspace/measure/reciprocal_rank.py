"""Reciprocal rank: is a point nearer to its own than to all others?"""

from __future__ import annotations

import numpy as np

from clipspace.points import sphere


def reciprocal_ranks(queries: np.ndarray, targets: np.ndarray, others: np.ndarray | None = None) -> np.ndarray:
    """One over the rank of target i among itself and ``others`` by cosine to query i, float64 (n,): 1 is the nearest.

    The others are the other targets where none are given.

    The instance retrieval of RCDM (Bordes et al. 2022, arXiv 2112.09164, section 4). Ties count half.

    >>> reciprocal_ranks(np.array([[1.0, 0.1]]), np.array([[1.0, 0.0]]), np.array([[1.0, 0.1], [0.0, 1.0]])).tolist()
    [0.5]
    """
    queries, targets = sphere.unit(queries), sphere.unit(targets)
    if others is None:
        cosines = queries @ targets.T
        own = np.diag(cosines)[:, None]
        ties = (cosines == own).sum(axis=1) - 1
    else:
        cosines = queries @ sphere.unit(others).T
        own = np.einsum("nd,nd->n", queries, targets)[:, None]
        ties = (cosines == own).sum(axis=1)
    return 1 / (1 + (cosines > own).sum(axis=1) + ties / 2)


def chance_reciprocal_rank(n: int) -> float:
    """The mean of 1 / rank of ``n`` candidates where all ranks are as likely: the n-th harmonic number over n.

    >>> chance_reciprocal_rank(2)
    0.75
    """
    return float((1 / np.arange(1, n + 1)).mean())
