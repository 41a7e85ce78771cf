"""Least-squares concept erasure (LEACE): the smallest affine change after which no linear map finds a concept."""

from __future__ import annotations

import numpy as np

_RANK = 1e-10
"""Singular values below this share of the largest are rounding."""


def leace(covariance: np.ndarray, cross: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``left`` (d, r) and ``right`` (r, d) of the eraser ``x - left @ right @ (x - mean)``, float64.

    ``covariance`` (d, d) is that of x, and ``cross`` (d, k) that of x with k columns of the concept; r <= k is the rank of
    ``cross``. After it the covariance with every column is 0, so that no linear map predicts the concept better than its
    mean does, and of all affine maps of which that holds it moves x least, in mean square and in every quadratic norm
    (Belrose et al. 2023, arXiv 2306.03819, section 4): ``left @ right`` is W+ P W, where W whitens x and P projects on the
    columns of W @ cross.

    >>> x = np.random.default_rng(0).normal(size=(50, 3))
    >>> concept = x[:, :1] - x[:, :1].mean()
    >>> left, right = leace(np.cov(x.T), x.T @ concept / 49)
    >>> erased = x - (x - x.mean(axis=0)) @ (left @ right).T
    >>> bool(np.abs(erased.T @ concept).max() < 1e-9)
    True
    """
    variance, axes = np.linalg.eigh(covariance)
    spread = variance > variance[-1] * len(variance) * np.finfo(np.float64).eps
    deviation, axes = np.sqrt(variance[spread]), axes[:, spread]
    vectors, strengths, _ = np.linalg.svd((axes.T @ cross) / deviation[:, None], full_matrices=False)
    kept = vectors[:, strengths > _RANK * max(strengths[0], np.finfo(np.float64).tiny)]
    return axes @ (deviation[:, None] * kept), (kept.T / deviation) @ axes.T
