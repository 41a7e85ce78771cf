"""Similarity of two embeddings of the same items, independent of their axes: linear CKA and RSA."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from clipspace.errors import InputError
from clipspace.points.sphere import unit


def linear_cka(x: np.ndarray, y: np.ndarray, *, unbiased: bool = False) -> float:
    """Linear centred kernel alignment of (n, d) and (n, e), rows paired (Kornblith et al., arXiv 1905.00414).

    1 for equal up to rotation and scale. The plain form is biased: unrelated sets score about
    sqrt(d e) / n or more, towards 1 when d and e exceed n. ``unbiased`` uses the U-statistic HSIC_1 (Song et al. 2012),
    whose mean is 0 for unrelated sets at any n > 3; prefer it below a few thousand rows. Cost n d e, no n x n matrix.
    """
    x, y = _pairs(x, y, "linear_cka", 4)
    form = _hsic_unbiased if unbiased else _hsic
    within = form(x, x) * form(y, y)
    if within <= 0:
        raise InputError("linear_cka: expected points that differ from one another, got a constant set")
    return float(form(x, y) / np.sqrt(within))


def rsa(x: np.ndarray, y: np.ndarray) -> float:
    """Representational similarity: Spearman correlation of the two sets' cosines over distinct pairs of rows.

    0 for unrelated sets at any n; its noise is that of n points, not of the n (n - 1) / 2 pairs. Memory n^2.
    """
    x, y = _pairs(x, y, "rsa", 3, centre=False)
    x, y = unit(x), unit(y)
    upper = np.triu_indices(len(x), 1)
    ranks = [rankdata((a @ a.T)[upper]) for a in (x, y)]
    if any(np.ptp(r) == 0 for r in ranks):
        raise InputError("rsa: expected cosines that differ from one another, got a constant set")
    return float(np.corrcoef(*ranks)[0, 1])


def _hsic(x: np.ndarray, y: np.ndarray) -> float:
    return float(((x.T @ y) ** 2).sum())


def _hsic_unbiased(x: np.ndarray, y: np.ndarray) -> float:
    """HSIC_1 of linear kernels with their diagonals removed, from products of d x e and n only."""
    n = len(x)
    own_x, own_y = (x**2).sum(axis=1), (y**2).sum(axis=1)
    sums_x, sums_y = x @ x.sum(axis=0) - own_x, y @ y.sum(axis=0) - own_y
    trace = ((x.T @ y) ** 2).sum() - own_x @ own_y
    return float(
        (trace + sums_x.sum() * sums_y.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * (sums_x @ sums_y)) / (n * (n - 3))
    )


def _pairs(x, y, doing: str, least: int, *, centre: bool = True) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or len(x) < least:
        raise InputError(
            f"{doing}: expected two sets of the same {least} rows or more, got shapes {x.shape} and {y.shape}"
        )
    return (x - x.mean(axis=0), y - y.mean(axis=0)) if centre else (x, y)
