"""Accuracy of predicted classes: overall, per class, against chance."""

from __future__ import annotations

import numpy as np
from scipy.stats import beta


def class_accuracies(predicted: np.ndarray, truth: np.ndarray, k: int) -> np.ndarray:
    """The share of right predictions for each class of ``k`` that occurs in ``truth``; both are class numbers (n,).

    >>> class_accuracies(np.array([0, 1, 1]), np.array([0, 0, 1]), 3).tolist()
    [0.5, 1.0]
    """
    right, members = np.bincount(truth, predicted == truth, k), np.bincount(truth, minlength=k)
    return right[members > 0] / members[members > 0]


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


def balanced_interval(right: np.ndarray, members: np.ndarray) -> tuple[float, float]:
    """95 % interval of balanced accuracy, the mean over classes of the share of ``right`` ones (k,) of ``members`` (k,).

    That of Clopper & Pearson at the number of rows whose plain accuracy would vary as much (Korn & Graubard 1998). The
    variance is that of the classes' own shares, each with one right and one wrong answer added (so that a class without
    errors has one), or of their common share, whichever is larger.
    """
    right, members = (np.asarray(a, dtype=np.float64)[np.asarray(members) > 0] for a in (right, members))
    share, classes = float((right / members).mean()), len(members)
    smoothed = (right + 1) / (members + 2)
    own = (smoothed * (1 - smoothed) / members).sum() / classes**2
    common = share * (1 - share)
    effective = classes**2 / (1 / members).sum()
    if common > 0:
        effective = min(effective, common / own)
    return clopper_pearson(share * effective, effective)


def clopper_pearson(hits: float, n: float) -> tuple[float, float]:
    """95 % interval of a proportion of which ``hits`` of ``n`` were seen; neither need be whole."""
    low = float(beta.ppf(0.025, hits, n - hits + 1)) if hits > 0 else 0.0
    high = float(beta.ppf(0.975, hits + 1, n - hits)) if hits < n else 1.0
    return low, high


def confusion_matrix(predicted: np.ndarray, truth: np.ndarray, k: int) -> np.ndarray:
    """Counts (k, k): rows are the truth, columns the prediction."""
    return np.bincount(truth * k + predicted, minlength=k * k).reshape(k, k)
