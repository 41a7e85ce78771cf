"""How right predicted classes are: overall, per class, against chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clipspace.scores import Score


def accuracy_rows(
    predicted: np.ndarray, truth: np.ndarray, classes: Sequence, *, chance: float, seed: int = 0, name: str = "accuracy"
) -> list[Score]:
    """Scores of predicted class numbers (n,): accuracy with a bootstrap interval, and its mean over the classes."""
    right = (predicted == truth).astype(float)
    found, members = np.bincount(truth, right, len(classes)), np.bincount(truth, minlength=len(classes))
    per_class = found[members > 0] / members[members > 0]
    return [
        Score(name, float(right.mean()), chance, *proportion_interval(right, seed=seed), len(right)),
        Score(f"{name}, mean per class", float(per_class.mean()), 1 / len(classes), n=len(right)),
    ]


def proportion_interval(right: np.ndarray, *, seed: int = 0, resamples: int = 1000) -> tuple[float, float]:
    """95 % bootstrap interval of the mean of zeros and ones (n,): the sums of resampled rows are binomial draws."""
    n = len(right)
    drawn = np.random.default_rng(seed).binomial(n, np.mean(right), size=resamples) / n
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def confusion_matrix(predicted: np.ndarray, truth: np.ndarray, k: int) -> np.ndarray:
    """Counts (k, k): rows are the truth, columns the prediction."""
    return np.bincount(truth * k + predicted, minlength=k * k).reshape(k, k)
