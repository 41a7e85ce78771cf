"""How near two unrelated points come by chance: a power law of distances, fitted above those of copies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import poisson

from clipspace.errors import InputError

WINDOW = (0.3, 2.0)
"""Pairs per row, nearest first, between which the law is fitted: above the copies, and near enough to be carried on."""
FEWEST_ROWS = 50
_DIMENSIONS = (0.05, 500.0)


@dataclass(frozen=True)
class Nearness:
    """The law of unrelated pairs: ``rate(u)`` = ``factor`` * u ** ``dimension`` of them per row are nearer than u.

    Points of a smooth density in D dimensions have it near distance 0, whatever the density (Grassberger & Procaccia 1983):
    the nearest of many distances are of Weibull's domain, whose end, 0, is known. ``pairs`` is how many were fitted.
    """

    dimension: float
    factor: float
    pairs: int
    highest: float

    def rate(self, distances: np.ndarray) -> np.ndarray:
        """Unrelated pairs per row that are expected to be nearer than each of ``distances``."""
        return self.factor * np.asarray(distances, dtype=np.float64) ** self.dimension

    def distance(self, rate: float) -> float:
        """The distance below which ``rate`` unrelated pairs per row are expected."""
        return float((rate / self.factor) ** (1 / self.dimension))

    def count_interval(self, rate: float, rows: int) -> tuple[float, float]:
        """95 % interval of how many unrelated pairs of ``rows`` come nearer than `distance` (``rate``).

        Of the fit, whose pairs share rows and count half, and of chance, both at their ends, so that it is wide.
        """
        apart = np.log(self.highest / self.distance(rate))
        error = 1.96 * abs(apart) * self.dimension / np.sqrt(self.pairs / 2)
        low, high = (rate * rows * np.exp(sign * error) for sign in (-1, 1))
        return float(poisson.ppf(0.025, low)), float(poisson.ppf(0.975, high))


def fit_nearness(distances: np.ndarray, rows: int, *, window: tuple[float, float] = WINDOW) -> Nearness:
    """The law of the ``distances`` (p,) of the nearest pairs of ``rows`` points, by maximum likelihood.

    Only distances of the ranks ``window`` times ``rows`` are used, given that they are between these two (Hill's estimator, cut
    at both ends): what is nearer, copies or not, counts for nothing. Raises `InputError` for too few pairs.

    >>> x = np.random.default_rng(0).random((1000, 2))
    >>> apart = np.linalg.norm(x[:, None] - x, axis=2)[np.triu_indices(1000, 1)]
    >>> 1.8 < fit_nearness(apart, 1000).dimension < 2.2
    True
    """
    lowest, highest = (int(rank * rows) for rank in window)
    if rows < FEWEST_ROWS or len(distances) < highest:
        raise InputError(
            f"duplicates: expected at least {FEWEST_ROWS} rows that are no copies of each other, to know how near unrelated ones "
            f"come, got {rows}; give more rows"
        )
    nearest = np.partition(distances, (lowest, highest - 1))
    low, high = nearest[lowest], nearest[highest - 1]
    used = nearest[(nearest > low) & (nearest <= high)]
    if not low < high:
        raise InputError(
            "duplicates: expected pairs at different distances, got all at one; the rows are no embeddings"
        )
    span, mean = np.log(high / low), float(np.log(high / used).mean())

    def missed(dimension: float) -> float:
        return 1 / dimension - span / np.expm1(min(dimension * span, 700.0)) - mean

    ends = [missed(end) for end in _DIMENSIONS]
    dimension = brentq(missed, *_DIMENSIONS) if ends[0] > 0 > ends[1] else _DIMENSIONS[int(ends[0] > 0)]
    # In units of the highest distance, so that no power overflows.
    factor = len(used) / rows / -np.expm1(-dimension * span)
    return Nearness(float(dimension), float(factor * high**-dimension), len(used), float(high))
