"""Which rows have other neighbours in a second embedding than an even amount of noise would give them.

Where rows lie close together a little noise exchanges their neighbours, so a small overlap alone says nothing of a row.
The null is the first embedding with noise of one size in every row: along the differences of its own rows, and even in
all directions; a row must be surprising under both. The size is the one at which the bulk of rows (all but a tenth at
either end) share as many neighbours as the two embeddings do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import false_discovery_control, hypergeom

from clipspace.errors import InputError
from clipspace.measure.similarity import shared_neighbours
from clipspace.points.sphere import unit
from clipspace.reprs import brief
from clipspace.search.exact import nearest

Noise = Callable[[np.ndarray, np.random.Generator], np.ndarray]

LEAST, MOST = 1 / 32, 8.0
"""Noise sizes that are tried, in units of a difference of two rows; what the least of them would change never counts."""

_WIDER = 1.25
"""Factor by which the noise is larger than the one that matches, since its shape is not known."""


@dataclass(frozen=True, eq=False)
class Changed:
    """Neighbours of n rows in two embeddings.

    Parameters
    ----------
    shared : share of the k nearest rows that both have, float64 (n,)
    expected : the same with noise of ``noise`` in every row, the mean of the draws (n,)
    q_changed : false discovery rate at which a row's neighbours changed more than that noise would change them (n,)
    q_kept : false discovery rate at which a row shares more neighbours than unrelated embeddings would (n,)
    noise : size of the noise, in units of a difference of two rows
    """

    shared: np.ndarray
    expected: np.ndarray
    q_changed: np.ndarray
    q_kept: np.ndarray
    noise: float

    __repr__ = brief


def changed_neighbours(
    x: np.ndarray, y: np.ndarray, *, k: int = 10, draws: int = 20, rng: np.random.Generator
) -> Changed:
    """The rows of (n, d) whose ``k`` nearest rows, by cosine, are others in (n, e); rates as Benjamini & Hochberg (1995) have them.

    A row's overlap is compared with ``draws`` of the null in units of its own spread there, pooled over all rows. Time
    n^2 d for each draw. Raises `InputError` for fewer than 20 rows.
    """
    n = len(x)
    if n < 20 or len(y) != n:
        raise InputError(f"changed_neighbours: expected the same 20 rows or more of both, got {n} and {len(y)}")
    k = min(k, n // 4)
    x, near = unit(x), _near(unit(x), k)
    shared = shared_neighbours(near, _near(unit(y), k))
    nulls, sizes = [], []
    for noise in (_differences, _even):
        sizes.append(_matching(x, near, shared, noise, rng))
        nulls.append(np.array([_after_noise(x, near, sizes[-1], noise, rng) for _ in range(draws)]))
    p = np.max([_p_values(shared, null) for null in nulls], axis=0)
    return Changed(
        shared / k,
        nulls[0].mean(axis=0) / k,
        false_discovery_control(p),
        false_discovery_control(hypergeom.sf(shared - 1, n - 1, k, k)),
        sizes[0],
    )


def _near(x: np.ndarray, k: int) -> np.ndarray:
    """Row numbers (n, k) of the nearest other rows by cosine."""
    rows = nearest(x, x, k + 1)[1]
    own = rows == np.arange(len(x))[:, None]
    own[~own.any(axis=1), -1] = True
    return rows[~own].reshape(len(x), k)


def _differences(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise (n, d) along differences of two rows, and as long."""
    return x[rng.permutation(len(x))] - x[rng.permutation(len(x))]


def _even(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise (n, d) in all directions alike, as long as differences of two rows are."""
    return rng.normal(size=x.shape) * np.sqrt(2 * np.var(x, axis=0).sum() / x.shape[1])


def _after_noise(x: np.ndarray, near: np.ndarray, size: float, noise: Noise, rng: np.random.Generator) -> np.ndarray:
    """How many neighbours (n,) are left when every row is moved by noise."""
    return shared_neighbours(near, _near(unit(x + size * noise(x, rng)), near.shape[1]))


def _matching(
    x: np.ndarray, near: np.ndarray, shared: np.ndarray, noise: Noise, rng: np.random.Generator, steps: int = 10
) -> float:
    """The size of the noise that leaves the bulk of rows as many neighbours as ``shared`` (n,), by bisection."""
    seed, low, high = int(rng.integers(2**31)), np.log(LEAST), np.log(MOST)
    for _ in range(steps):
        middle = (low + high) / 2
        left = _after_noise(x, near, np.exp(middle), noise, np.random.default_rng(seed))
        low, high = (middle, high) if _bulk(left) > _bulk(shared) else (low, middle)
    return float(_WIDER * np.exp(high))


def _bulk(counts: np.ndarray) -> float:
    ordered = np.sort(counts)
    return float(ordered[len(counts) // 10 : len(counts) - len(counts) // 10].mean())


def _p_values(shared: np.ndarray, null: np.ndarray) -> np.ndarray:
    """How often the null (draws, n) lies as far below a row's mean, in units of its spread, as ``shared`` (n,) does."""
    draws = len(null)
    own = null.var(axis=0, ddof=1)  # of few draws, so a row that seems to vary little gets the spread of all rows
    spread = np.sqrt(np.maximum(own, own.mean()) + 1 / 16)
    others = (null.sum(axis=0) - null) / (draws - 1)  # each draw against the mean of the other draws
    pool = np.sort(((null - others) / spread).ravel())
    observed = (shared - null.mean(axis=0)) / spread
    return (1 + np.searchsorted(pool, observed, side="right")) / (1 + pool.size)
