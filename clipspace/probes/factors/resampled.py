"""A measured number with its bootstrap draws, so that what is computed from several has an interval too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from clipspace.reprs import brief
from clipspace.results.table import Row, scored

DRAWS = 1000


@dataclass(frozen=True, eq=False)
class Measure:
    """A number, the same number on ``DRAWS`` resamples of its rows, and how many rows there were."""

    value: float
    draws: np.ndarray
    n: int

    __repr__ = brief

    @property
    def error(self) -> float:
        """Standard error."""
        return float(self.draws.std())

    def row(self, **keys: Any) -> Row:
        """As a row of a table under ``keys``, with its 95 % interval; chance is 0."""
        low, high = np.percentile(self.draws, [2.5, 97.5])
        return scored(**keys, value=self.value, chance=0.0, low=float(low), high=float(high), n=self.n)


def measured(values: np.ndarray, chance: np.ndarray | None = None, *, seed: int) -> Measure:
    """The mean of ``values``, or where ``chance`` is given the skill ``1 - mean(values) / mean(chance)``."""
    counts = np.random.default_rng([seed, 2]).multinomial(len(values), np.full(len(values), 1 / len(values)), DRAWS)

    def statistic(weights: np.ndarray) -> np.ndarray:
        mean = weights @ values / len(values)
        if chance is None:
            return mean
        # A resample in which chance makes no error says nothing of skill; it is counted as none.
        expected = weights @ chance / len(values)
        return 1 - np.divide(mean, expected, out=np.ones_like(mean), where=expected > 0)

    whole = np.ones((1, len(values)))
    return Measure(float(statistic(whole)[0]), statistic(counts), len(values))
