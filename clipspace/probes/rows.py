"""Rows of the table of a probe: a share, a mean or an accuracy, each with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from clipspace.measure.accuracy import balanced_interval, class_accuracies, proportion_interval
from clipspace.measure.bootstrap import bootstrap
from clipspace.results.table import Row, scored

MAX_POINTS = 5000
"""Rows that measures over all pairs are computed on; when there are more, this many are drawn at random."""


def share_row(hits: np.ndarray, *, chance: float | None = None, trials: int = 1, **keys: Any) -> Row:
    """The share of ``hits`` (n,), zeros and ones or shares of ``trials``, with its interval (`proportion_interval`).

    >>> share_row(np.array([1.0, 0.0]), chance=0.1, score="accuracy").value
    0.5
    """
    low, high = proportion_interval(hits, trials=trials)
    return scored(**keys, value=float(np.mean(hits)), chance=chance, low=low, high=high, n=len(hits))


def mean_row(values: np.ndarray, *, chance: float | None = None, seed: int = 0, **keys: Any) -> Row:
    """The mean of ``values`` (n,) with its bootstrap interval."""
    low, high = bootstrap(values, seed=seed)
    return scored(**keys, value=float(values.mean()), chance=chance, low=low, high=high, n=len(values))


def accuracy_rows(
    predicted: np.ndarray, truth: np.ndarray, classes: Sequence, *, chance: float, score: str = "accuracy", **keys: Any
) -> list[Row]:
    """The accuracy of predicted class numbers (n,), and the balanced accuracy: its mean over the classes."""
    k = len(classes)
    balanced = float(class_accuracies(predicted, truth, k).mean())
    low, high = balanced_interval(np.bincount(truth, predicted == truth, k), np.bincount(truth, minlength=k))
    return [
        share_row((predicted == truth).astype(float), chance=chance, **keys, score=score),
        scored(**keys, score="balanced accuracy", value=balanced, chance=1 / k, low=low, high=high, n=len(truth)),
    ]


def set_row(score: str, variant: str | None = None, **measures: float) -> Row:
    """A number of a whole set, with a ``variant`` where a score has several."""
    return scored(score=score, variant=variant, **measures)


def pairs_row(score: str, variant: str, value: float, chance: float | None, own: np.ndarray) -> Row:
    """A mean over pairs that share points; its interval is twice the standard error of the ``own`` mean of each point."""
    half = 1.96 * 2 * own.std(ddof=1) / np.sqrt(len(own))
    return set_row(
        score, variant, value=value, chance=chance, low=float(value - half), high=float(value + half), n=len(own)
    )
