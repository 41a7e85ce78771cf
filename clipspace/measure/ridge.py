"""Ridge regression: every strength from one factorisation."""

from __future__ import annotations

import numpy as np

STRENGTHS = np.logspace(-6, 6, 96)
"""The strengths of L2 regularisation of Radford et al. 2021 (arXiv 2103.00020), appendix A.3, for both linear probes."""


def ridge_predictions(x: np.ndarray, y: np.ndarray, at: np.ndarray, strengths: np.ndarray) -> np.ndarray:
    """Ridge predictions (b, m, t) at the rows ``at`` (m, d), for b strengths, fitted to ``x`` (n, d) and ``y`` (n, t).

    Minimises sum of squared errors + strength * |weights|^2, with an intercept that is not penalised.
    """
    middle, level = x.mean(axis=0), y.mean(axis=0)
    centred = x - middle
    moments, axes = np.linalg.eigh(centred.T @ centred)
    rotated = axes.T @ (centred.T @ (y - level))
    shrunk = rotated / (np.clip(moments, 0, None) + strengths[:, None])[..., None]
    return ((at - middle) @ axes) @ shrunk + level


def r2(error: np.ndarray, spread: np.ndarray) -> float:
    """1 - summed squared errors of a model / those of the mean."""
    return float(1 - error.sum() / spread.sum())
