"""Similarity of two embeddings of the same items, independent of their axes: linear CKA, RSA and mutual neighbours."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from clipspace.errors import InputError
from clipspace.points.sphere import unit
from clipspace.search.exact import neighbours


def linear_cka(x: np.ndarray, y: np.ndarray, *, unbiased: bool = False) -> float:
    """Linear centred kernel alignment of (n, d) and (n, e), rows paired (Kornblith et al., arXiv 1905.00414).

    1 for equal up to rotation and scale. The plain form is biased: unrelated sets score about
    sqrt(d e) / n or more, towards 1 when d and e exceed n. ``unbiased`` uses the U-statistic HSIC_1 (Song et al. 2012),
    whose mean is 0 for unrelated sets at any n > 3; prefer it below a few thousand rows. Cost n d e, or n^2 (d + e) where that is less.
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
    return float(np.corrcoef(cosine_ranks(x), cosine_ranks(y))[0, 1])


def cosine_ranks(x: np.ndarray) -> np.ndarray:
    """Ranks of the cosines of distinct pairs of rows of (n, d), in the order of `numpy.triu_indices`: n (n - 1) / 2."""
    x = unit(x)
    ranks = rankdata((x @ x.T)[np.triu_indices(len(x), 1)])
    if np.ptp(ranks) == 0:
        raise InputError("rsa: expected cosines that differ from one another, got a constant set")
    return ranks


def mutual_neighbours(x: np.ndarray, y: np.ndarray, *, k: int = 10) -> float:
    """Mean share of the ``k`` nearest rows by cosine that (n, d) and (n, e) have in common (Huh et al., arXiv 2405.07987).

    k / (n - 1) for unrelated sets. Local, where CKA and RSA are made of all distances; memory n k.
    """
    x, y = _pairs(x, y, "mutual_neighbours", 3, centre=False)
    k = min(k, len(x) - 1)
    return float(shared_neighbours(*(neighbours(unit(a), k)[1] for a in (x, y))).mean() / k)


def shared_neighbours(near: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Of each row of two lists of neighbours, (n, k) row numbers each, how many are in both: int64 (n,)."""
    return (near[:, :, None] == other[:, None, :]).any(axis=2).sum(axis=1)


def _hsic(x: np.ndarray, y: np.ndarray) -> float:
    return _squares(x, y)


def _squares(x: np.ndarray, y: np.ndarray) -> float:
    """Sum of the squares of x' y, by products of columns, or of rows where these are fewer: few points in many dimensions."""
    n, d, e = len(x), x.shape[1], y.shape[1]
    if n * (d + e) < d * e:
        return float(((x @ x.T) * (y @ y.T)).sum())
    return float(((x.T @ y) ** 2).sum())


def _hsic_unbiased(x: np.ndarray, y: np.ndarray) -> float:
    """HSIC_1 of linear kernels with their diagonals removed, from inner products alone."""
    n = len(x)
    own_x, own_y = (x**2).sum(axis=1), (y**2).sum(axis=1)
    sums_x, sums_y = x @ x.sum(axis=0) - own_x, y @ y.sum(axis=0) - own_y
    trace = _squares(x, y) - own_x @ own_y
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
