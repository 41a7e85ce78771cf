"""An estimate whose error is known row by row, so that what is computed from several has an interval too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clipspace.reprs import brief

QUANTILE = 1.96
"""Of the normal distribution, two-sided, 95 %."""
FEW_ERRORS = 10
"""Errors below which their count says little of how often they happen."""
_LEAST = 3.0
"""Least error of a skill of amounts, in shares of the loss over the number of rows. A read-out that shrinks to the mean has losses
that hardly differ from chance in any row, but on other rows it might not have shrunk (``benchmarks/coverage_readouts.py``)."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """A number, how far each row of the sample moves it, and its values on several splits of the sample.

    ``a - b`` and ``a.over(b)`` of two estimates on the *same rows* (and the same splits) are estimates,
    whose intervals know that both share their rows (the delta method).

    Parameters
    ----------
    value : the estimate
    influence : float64 ``(n,)``, of sum about 0: row i moves the value by ``influence[i]``; the sum of squares is the variance
    splits : float64 ``(repeats,)``, the estimate on each random split into folds
    """

    value: float
    influence: np.ndarray
    splits: np.ndarray

    __repr__ = brief

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.influence)

    @property
    def error(self) -> float:
        """Standard error over other samples of this size: of the rows, and of the splits."""
        between = float(np.var(self.splits, ddof=1)) if len(self.splits) > 1 else 0.0
        return float(np.sqrt((self.influence**2).sum() + between))

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval."""
        return self.value - QUANTILE * self.error

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval."""
        return self.value + QUANTILE * self.error

    def __sub__(self, other: Estimate) -> Estimate:
        return Estimate(self.value - other.value, self.influence - other.influence, self.splits - other.splits)

    def over(self, other: Estimate) -> Estimate:
        """This estimate divided by ``other``, which should be well above 0 (the caller sees to that)."""
        share = self.value / other.value
        return Estimate(share, (self.influence - share * other.influence) / other.value, self.splits / other.splits)

    def share_of(self, other: Estimate) -> Estimate:
        """This quantity over the larger of it and ``other``: 1 where it is the larger, and the lower end says how sure that is."""
        if other.value > self.value:
            return self.over(other)
        ahead = self - other
        missing, half_width = max(0.0, -ahead.low) / self.value, ahead.value - ahead.low
        scale = missing / half_width if half_width else 0.0
        return Estimate(1.0, ahead.influence * scale, 1.0 + (ahead.splits - ahead.splits.mean()) * scale)


def share_of_chance(loss: np.ndarray, chance: np.ndarray, *, error_rate: bool, correction: np.ndarray) -> Estimate:
    """``1 - mean(loss) / mean(chance)`` over splits ``(repeats, n)`` of n rows; 0 is chance, 1 is no loss.

    The training rows are a draw too, and splits share them, so that the losses are not independent. The variance of
    a row's loss is multiplied by ``correction`` ``(n,)``, and the variance between splits is added. With
    ``error_rate`` losses are 0 or 1, and the variance is never below that of two errors more (Agresti & Coull 1998):
    no errors in n rows is no proof of none. Without, the error is never below `_LEAST` / n of the loss.
    """
    n = loss.shape[1]
    value = 1 - loss.mean() / chance.mean()
    splits = 1 - loss.mean(axis=1) / chance.mean(axis=1)
    rows = -(loss.mean(axis=0) - (1 - value) * chance.mean(axis=0)) / (n * chance.mean())
    if error_rate and loss.mean() * n < FEW_ERRORS:
        wrong = (loss.mean() * n + 2) / (n + 4)
        rows = at_least(rows, wrong * (1 - wrong) / (n + 4) / chance.mean() ** 2)
    influence = rows * np.sqrt(correction)
    if not error_rate:
        influence = at_least(influence, (_LEAST / n * (1 - value)) ** 2)
    return Estimate(float(value), influence, splits)


def at_least(rows: np.ndarray, variance: float) -> np.ndarray:
    """Influences of that variance or more: those of ``rows``, made longer where they are too short."""
    present = float((rows**2).sum())
    if present >= variance:
        return rows
    if present == 0:
        signs = np.where(np.arange(len(rows)) % 2, 1.0, -1.0)
        return signs * np.sqrt(variance / len(rows))
    return rows * np.sqrt(variance / present)
