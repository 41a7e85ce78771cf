"""Intervals by the jackknife: how far a statistic moves when a group of its rows is left out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.stats import t as student

from clipspace.errors import InputError, shortened
from clipspace.seeds import stream

GROUPS = 20
"""Number of groups of rows that are left out, one at a time."""


def jackknife(
    statistic: Callable[..., float], *samples: np.ndarray, value: float | None = None, seed: int = 0, most: int = GROUPS
) -> tuple[float, float]:
    """95 % interval of ``statistic(*samples)`` with the rows of one of at most ``most`` groups left out at a time.

    No row occurs twice, as it does in a bootstrap sample, so it is for statistics of near neighbours too. It covers what the
    statistic is on average over sets of this size: where that depends on the size, a larger set has another. ``value`` is
    the statistic of all rows, where it is known.
    """
    if any(len(sample) != len(samples[0]) for sample in samples):
        raise InputError(f"jackknife: expected samples of one length, got {shortened(len(s) for s in samples)}")
    group = groups(len(samples[0]), seed=seed, most=most)
    without = [statistic(*(sample[group != g] for sample in samples)) for g in range(group.max() + 1)]
    return left_out(statistic(*samples) if value is None else value, without)


def groups(n: int, *, seed: int = 0, most: int = GROUPS) -> np.ndarray:
    """Group number of each of ``n`` rows, int64 (n,): at most ``most`` random groups whose sizes differ by one at most."""
    if n < 2:
        raise InputError(f"jackknife: expected two rows or more, got {n}")
    return stream(seed, "jackknife groups").permutation(n) % min(n, most)


def left_out(value: float, without: np.ndarray) -> tuple[float, float]:
    """95 % interval about ``value`` from the statistic ``without`` each of g groups (g,): Student's t on the jackknife's error.

    The squared error is (g - 1) / g times the sum of squared deviations; on average it is too large rather than too small
    (Efron & Stein 1981, The jackknife estimate of variance).
    """
    without = np.asarray(without, dtype=np.float64)
    half = half_width(without)
    return float(value - half), float(value + half)


def half_width(without: np.ndarray) -> np.ndarray:
    """Half the width of the interval of `left_out`, of each of several statistics: (g, ...) to (...)."""
    g = len(without)
    error = np.sqrt((g - 1) / g * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    return student.ppf(0.975, g - 1) * error
