"""How right predicted classes are: overall, per class, against chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import beta

from clipspace.results.scores import Score


def accuracy_rows(
    predicted: np.ndarray, truth: np.ndarray, classes: Sequence, *, chance: float, name: str = "accuracy"
) -> list[Score]:
    """Scores of predicted class numbers (n,): accuracy with its interval, and its mean over the classes."""
    right = (predicted == truth).astype(float)
    found, members = np.bincount(truth, right, len(classes)), np.bincount(truth, minlength=len(classes))
    per_class = found[members > 0] / members[members > 0]
    return [
        Score(name, float(right.mean()), chance, *proportion_interval(right), len(right)),
        Score(f"{name}, mean per class", float(per_class.mean()), 1 / len(classes), n=len(right)),
    ]


def proportion_interval(right: np.ndarray, *, trials: int = 1) -> tuple[float, float]:
    """95 % interval of the mean of zeros and ones (n,), of Clopper & Pearson (1934): it covers at least that often.

    Each row may be the share of right ones among ``trials`` that belong together, as decodes of one image do. Then the
    number of rows is the effective one, p (1 - p) / var(p) (Korn & Graubard 1998), from n to n ``trials``.

    >>> [round(end, 3) for end in proportion_interval(np.zeros(40))]
    [0.0, 0.088]
    """
    n, share = len(right), float(np.mean(right))
    variance = float(np.var(right, ddof=1)) / n if n > 1 else 0.0
    effective = float(np.clip(share * (1 - share) / variance, n, n * trials)) if variance else n
    return clopper_pearson(share * effective, effective)


def clopper_pearson(hits: float, n: float) -> tuple[float, float]:
    """95 % interval of a proportion of which ``hits`` of ``n`` were seen; neither need be whole."""
    low = float(beta.ppf(0.025, hits, n - hits + 1)) if hits > 0 else 0.0
    high = float(beta.ppf(0.975, hits + 1, n - hits)) if hits < n else 1.0
    return low, high


def confusion_matrix(predicted: np.ndarray, truth: np.ndarray, k: int) -> np.ndarray:
    """Counts (k, k): rows are the truth, columns the prediction."""
    return np.bincount(truth * k + predicted, minlength=k * k).reshape(k, k)
