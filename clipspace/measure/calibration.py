"""Calibration: confidence against accuracy (Guo et al. 2017, arXiv 1706.04599)."""

from __future__ import annotations

import numpy as np

from clipspace.errors import InputError

BINS = 15


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error: mean distance of confidence and accuracy over bins of equal width, equation 3.

    It is 0 for perfect calibration only in the limit: with n answers, binning noise adds about
    sqrt(bins / n) / 2 at most.

    >>> calibration_error(np.array([0.9, 0.9, 0.9, 0.9]), np.array([1, 1, 1, 0]))
    0.15
    """
    mean_confidence, accuracy, count = reliability(confidence, right, bins)
    return round(float((count * np.abs(mean_confidence - accuracy)).sum() / count.sum()), 12)


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Mean confidence, accuracy (0 where a bin is empty) and count of each bin: float64 (3, bins)."""
    confidence, right = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    if confidence.shape != right.shape or confidence.ndim != 1 or not len(confidence):
        raise InputError(
            f"calibration_error: expected a confidence for each answer, got {confidence.shape} and {right.shape}"
        )
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise InputError("calibration_error: expected confidences in [0, 1]; make probabilities of the scores first")
    bin_numbers = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(bin_numbers, minlength=bins)
    sums = np.stack([np.bincount(bin_numbers, values, bins) for values in (confidence, right)])
    return np.vstack([sums / np.maximum(count, 1), count])
