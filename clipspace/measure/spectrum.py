"""How many directions a set uses: the eigenvalues of its covariance, and numbers made of them."""

from __future__ import annotations

import numpy as np

from clipspace.errors import InputError
from clipspace.measure.jackknife import half_width


def spectrum(x: np.ndarray) -> np.ndarray:
    """Eigenvalues of the covariance (n - 1 in the denominator) of points (n, d), falling, float64 (d,).

    Of n points at most n - 1 are not 0, so with few points every number made of them is low.
    """
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 2 or len(x) < 2:
        raise InputError(f"spectrum: expected at least two points (n, d), got shape {x.shape}")
    x = x - x.mean(axis=0)
    if not x.any():
        raise InputError("spectrum: expected points that differ, got one point n times over")
    return np.clip(np.linalg.eigvalsh(x.T @ x / (len(x) - 1))[::-1], 0, None)


def spectra_without(x: np.ndarray, group: np.ndarray) -> np.ndarray:
    """The `spectrum` of points (n, d) without each group of them: float64 (g, d), from one pass over the points."""
    x = np.asarray(x, dtype=np.float64)
    x = x - x.mean(axis=0)
    parts = [x[group == g] for g in range(group.max() + 1)]
    squares, sums = x.T @ x, [part.sum(axis=0) for part in parts]
    rows = []
    for part, own in zip(parts, sums, strict=True):
        m = len(x) - len(part)
        scatter = squares - part.T @ part - np.outer(own, own) / m  # the sum of the others is -own
        rows.append(np.clip(np.linalg.eigvalsh(scatter / (m - 1))[::-1], 0, None))
    return np.array(rows)


def participation_ratio(values: np.ndarray) -> float:
    """(sum l)^2 / sum l^2 of a `spectrum`: k for k equal eigenvalues. Low by a factor of about 1 + PR / n at n points.

    >>> participation_ratio([2.0, 2.0, 0.0])
    2.0
    """
    values = np.asarray(values, dtype=np.float64)
    return float(values.sum() ** 2 / (values**2).sum())


def effective_rank(values: np.ndarray) -> float:
    """exp of the entropy of the shares of a `spectrum` (Roy & Vetterli 2007): k for k equal eigenvalues. Low at small n.

    >>> round(effective_rank([2.0, 2.0, 0.0]), 12)
    2.0
    """
    p = np.asarray(values, dtype=np.float64) / np.sum(values)
    p = p[p > 0]
    return float(np.exp(-(p * np.log(p)).sum()))


def components_for(values: np.ndarray, share: float) -> int:
    """The least number of components that hold a share of the variance. Low at small n.

    >>> components_for([3.0, 1.0], 0.75), components_for([3.0, 1.0], 0.9)
    (1, 2)
    """
    if not 0 < share <= 1:
        raise InputError(f"components_for: expected a share in (0, 1], got {share}")
    return _first_above(np.cumsum(values) / np.sum(values), share)


def components_interval(values: np.ndarray, without: np.ndarray, share: float) -> tuple[int, int]:
    """95 % interval of `components_for`: the numbers of components whose share of the variance may be ``share``.

    ``values`` (d,) is the `spectrum`, ``without`` (g, d) those of `spectra_without`.
    """
    held = np.cumsum(values) / np.sum(values)
    half = half_width(np.cumsum(without, axis=1) / without.sum(axis=1, keepdims=True))
    return _first_above(np.maximum.accumulate(held + half), share), min(
        len(held), _first_above(np.maximum.accumulate(held - half), share)
    )


def _first_above(held: np.ndarray, share: float) -> int:
    """Number of the first component with which ``share`` of the variance is held."""
    return int(np.searchsorted(held, share - 1e-12) + 1)
