"""Similarity beside what it is of rows that do not belong together: a null for CKA, RSA and mutual neighbours.

A wide embedding of few rows is like any other by CKA, as by most measures (arXiv 2602.14486), so a value says little without
its null: the same measure with the rows of one side in a random order. A permutation of rows re-indexes a kernel, so the
kernels are made once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from clipspace import progress
from clipspace.errors import InputError
from clipspace.measure.similarity import cosine_ranks
from clipspace.points.sphere import unit
from clipspace.search.exact import neighbours

MEASURES = ("linear CKA", "unbiased linear CKA", "RSA", "mutual neighbours")

Measured = Callable[[np.ndarray], dict[str, float]]


def permuted(
    x: np.ndarray, y: np.ndarray, *, k: int = 10, permutations: int = 199, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Each of `MEASURES` of (n, d) and (n, e) with the rows of ``y`` in random orders, float64 (permutations,) by name.

    The first `permutations` orders are the same for all measures. Time n^2 for each order, memory n^2.
    """
    if permutations < 1:
        raise InputError(f"permuted: expected at least one permutation, got {permutations}")
    parts = _alignment(x, y), _rank_correlation(x, y), _shared(x, y, k)
    orders = [rng.permutation(len(x)) for _ in range(permutations)]
    values = [
        {name: value for part in parts for name, value in part(order).items()}
        for order in progress.track(orders, "comparing random order")
    ]
    return {name: np.array([value[name] for value in values]) for name in MEASURES}


def p_values(values: Mapping[str, float], null: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Share of orders, the true one included, whose value is as high (Phipson & Smyth 2010): at most as often below .05 as said.

    >>> p_values({"RSA": 0.5}, {"RSA": np.array([0.1, 0.2, 0.6])})
    {'RSA': 0.5}
    """
    rounding = 1e-12
    return {
        name: float((1 + (null[name] >= value - rounding).sum()) / (1 + len(null[name])))
        for name, value in values.items()
    }


def calibrated(value: float, chance: float) -> float:
    """``value`` of a similarity with 0 at ``chance``, the mean of its null, and 1 where both sides are one.

    >>> calibrated(0.75, 0.5)
    0.5
    """
    return (value - chance) / (1 - chance) if chance < 1 else 0.0


def _alignment(x: np.ndarray, y: np.ndarray) -> Measured:
    """Linear CKA, plain and unbiased, of the rows of ``y`` in an order."""
    kernels = [a @ a.T for a in (x - x.mean(axis=0), y - y.mean(axis=0))]
    n = len(x)
    own = [np.diag(kernel).copy() for kernel in kernels]
    plain = np.sqrt(np.prod([(kernel**2).sum() for kernel in kernels]))
    sums = [-a for a in own]  # of a centred kernel's rows without their diagonal

    def u_statistic(total: float, a: int, b: int, order: np.ndarray) -> float:
        trace = total - own[a] @ own[b][order]
        middle = sums[a].sum() * sums[b].sum() / ((n - 1) * (n - 2))
        return (trace + middle - 2 / (n - 2) * (sums[a] @ sums[b][order])) / (n * (n - 3))

    same = np.arange(n)
    unbiased = np.sqrt(np.prod([u_statistic((kernels[a] ** 2).sum(), a, a, same) for a in (0, 1)]))

    def of(order: np.ndarray) -> dict[str, float]:
        total = _product(kernels[0], kernels[1], order)
        return {"linear CKA": total / plain, "unbiased linear CKA": u_statistic(total, 0, 1, order) / unbiased}

    return of


def _rank_correlation(x: np.ndarray, y: np.ndarray) -> Measured:
    """Spearman's correlation of the cosines of pairs, of the rows of ``y`` in an order."""
    n = len(x)
    upper, tables = np.triu_indices(n, 1), []
    for a in (x, y):
        ranks, table = cosine_ranks(a), np.zeros((n, n))
        table[upper] = (ranks - ranks.mean()) / np.linalg.norm(ranks - ranks.mean())
        tables.append(table + table.T)
    return lambda order: {"RSA": _product(*tables, order) / 2}


def _shared(x: np.ndarray, y: np.ndarray, k: int) -> Measured:
    """Mean share of the nearest rows in common, of the rows of ``y`` in an order."""
    n, k = len(x), min(k, len(x) - 1)
    near, other = (neighbours(unit(a), k)[1] for a in (x, y))
    is_near = np.zeros((n, n), dtype=bool)
    np.put_along_axis(is_near, near, True, axis=1)

    def of(order: np.ndarray) -> dict[str, float]:
        place = np.argsort(order)  # the row of x beside which each row of y stands
        return {"mutual neighbours": float(is_near[place[:, None], place[other]].mean())}

    return of


def _product(a: np.ndarray, b: np.ndarray, order: np.ndarray) -> float:
    """Sum of the products of entries of two symmetric matrices (n, n), the second with its rows and columns in an order."""
    return float(np.vdot(a, b[order].take(order, axis=1)))
