"""The modality gap: images and texts lie in two places of one sphere (Liang et al., arXiv 2203.02053).

``x`` (n, d) and ``t`` (m, d) are unit vectors throughout.
"""

from __future__ import annotations

import numpy as np

from clipspace.errors import InputError
from clipspace.points.arrays import check_finite
from clipspace.points.sphere import norm, unit

_ROWS = 1024


def gap_vector(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """mean(x) - mean(t), float64 (d,)."""
    if np.shape(x)[1:] != np.shape(t)[1:] or min(len(x), len(t)) < 2:
        raise InputError(
            f"gap_vector: expected two sets of two points or more in one space, got {np.shape(x)}, {np.shape(t)}"
        )
    gap = np.mean(x, axis=0, dtype=np.float64) - np.mean(t, axis=0, dtype=np.float64)
    check_finite("gap_vector", gap)  # a mean is finite only where all rows are
    return gap


def gap_norm(x: np.ndarray, t: np.ndarray, *, unbiased: bool = False) -> float:
    """Norm of the `gap_vector`. Two samples of one distribution have one too, of about sqrt(var / n + var / m).

    ``unbiased`` takes that off its square (and is 0 where nothing is left).
    """
    square = norm(gap_vector(x, t)) ** 2
    if unbiased:
        square -= sum(np.var(a, axis=0, ddof=1, dtype=np.float64).sum() / len(a) for a in (x, t))
    return float(np.sqrt(max(square, 0.0)))


def separability(x: np.ndarray, t: np.ndarray) -> float:
    """Share of points on their own modality's side of the plane half way across the gap. Chance is 0.5; high at small n."""
    return float(np.concatenate(sides(x, t)).mean())


def sides(x: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether each point of ``x`` and of ``t`` is on its own modality's side, bool (n,) and (m,); see `separability`."""
    g = gap_vector(x, t)
    middle = (np.mean(x, axis=0) + np.mean(t, axis=0)) @ g / 2
    return x @ g > middle, t @ g < middle


def unpaired_cosine(x: np.ndarray, t: np.ndarray) -> float:
    """Mean cosine of image i and text j over i != j, rows paired. Unbiased at any n.

    >>> unpaired_cosine(np.eye(3), np.eye(3))
    0.0
    """
    n = len(x)
    if np.shape(x) != np.shape(t) or n < 2:
        raise InputError(f"unpaired_cosine: expected two pairs or more, got {np.shape(x)} and {np.shape(t)}")
    paired = np.einsum("nd,nd->", x, t)
    return float((np.sum(x, axis=0) @ np.sum(t, axis=0) - paired) / (n * (n - 1)))


def unpaired_means(x: np.ndarray, t: np.ndarray, matches: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Mean cosine of images (n, d) and texts (m, d) that are no ``matches``, bool (n, m); of each image, of each text.

    NaN for an image or a text that belongs to all.
    """
    if matches.all():
        raise InputError(
            f"unpaired_means: expected an image and a text that are no pair, got none: each of {len(x)} distinct images "
            f"belongs to each of {len(t)} distinct texts; add pairs, or pass other ids"
        )
    rows, columns = np.empty(len(x)), np.zeros(len(t))
    for start in range(0, len(x), _ROWS):
        block = slice(start, start + _ROWS)
        cosines = np.where(matches[block], 0, x[block] @ t.T)
        rows[block] = cosines.sum(axis=1)
        columns += cosines.sum(axis=0)
    unpaired = ~matches
    with np.errstate(invalid="ignore"):
        return rows.sum() / unpaired.sum(), rows / unpaired.sum(axis=1), columns / unpaired.sum(axis=0)


def shift(x: np.ndarray, t: np.ndarray, amount: float) -> tuple[np.ndarray, np.ndarray]:
    """Both sets moved towards each other along the gap, ``amount`` / 2 each, and made unit again.

    ``amount`` is in units of the sphere's radius: the `gap_norm` closes the gap but for the return to the sphere,
    a negative one widens it.
    """
    g = unit(gap_vector(x, t)) * amount / 2
    return unit(x - g), unit(t + g)
