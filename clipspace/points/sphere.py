"""Moving on the sphere: unit vectors, angles, great-circle interpolation (numpy only).

CLIP compares directions, decoders want lengths. So every function here treats the two apart: a
direction moves on the sphere, a norm moves on the line.
"""

from __future__ import annotations

import numpy as np

from clipspace.errors import InputError, shortened
from clipspace.sequences import as_array

ANTIPODAL = 1e-4
"""Angle in radians: two points within it of exactly opposite have no defined great circle."""


def norm(x: np.ndarray) -> np.ndarray:
    """Euclidean norms along the last axis, float64, shape ``x.shape[:-1]``."""
    return np.linalg.norm(np.asarray(as_array(x, "norm"), dtype=np.float64), axis=-1)


def unit(x: np.ndarray) -> np.ndarray:
    """``x`` scaled to norm 1 along the last axis, float64. Raises `InputError` on zero or non-finite rows."""
    x = np.asarray(as_array(x, "unit"), dtype=np.float64)
    length = norm(x)
    bad = ~np.isfinite(length) | (length == 0)
    if bad.any():
        row = int(np.flatnonzero(np.ravel(bad))[0])
        raise InputError(
            f"unit: expected finite vectors of non-zero norm, got norm {np.ravel(length)[row]} at row {row} "
            f"({int(bad.sum())} bad in all); drop these rows first"
        )
    return x / length[..., None]


def angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Angles between ``a`` and ``b`` in radians, in [0, pi], accurate near 0 and pi (Kahan's formula).

    >>> float(angle([1.0, 0.0], [0.0, 2.0])) == np.pi / 2
    True
    """
    u, v = unit(a), unit(b)
    return 2.0 * np.arctan2(norm(u - v), norm(u + v))


def slerp(a: np.ndarray, b: np.ndarray, t: float | np.ndarray) -> np.ndarray:
    """Points a fraction ``t`` of the way from ``a`` to ``b``: directions on the great circle, norms linear.

    Shoemake 1985; the interpolation of Ramesh et al. 2022 (arXiv 2204.06125), section 3.2.

    Parameters
    ----------
    a, b : array of shape (..., d)
    t : scalar, or array of shape (k,), fractions of the angle between them (0 gives ``a``, 1 gives ``b``)

    Returns
    -------
    float64 array of shape (..., d), or (k, ..., d) when ``t`` is an array.

    Raises
    ------
    InputError
        If the shapes differ, a vector is zero or not finite, or the ends are antipodal: then every
        great circle is as short as any other. Go through a third point.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape:
        raise InputError(f"slerp: expected ends of one shape, got {a.shape} and {b.shape}")
    u, v, omega = unit(a), unit(b), angle(a, b)[..., None]
    if (np.pi - omega < ANTIPODAL).any():
        raise InputError(
            "slerp: expected ends that are not antipodal, got ends that point in opposite directions, "
            "so the great circle between them is not defined; go through a third point"
        )
    t = np.asarray(t, dtype=np.float64)
    s = t.reshape(t.shape + (1,) * a.ndim)
    near = omega < 1e-7
    safe = np.where(near, 1.0, omega)
    start = np.where(near, 1 - s, np.sin((1 - s) * safe) / np.sin(safe))
    stop = np.where(near, s, np.sin(s * safe) / np.sin(safe))
    length = (1 - s) * norm(a)[..., None] + s * norm(b)[..., None]
    return unit(start * u + stop * v) * length


def along(keyframes: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Points on the great circles from each keyframe to the next: float64 ``(k, d)``, by `slerp`.

    Parameters
    ----------
    keyframes : array of shape (n, d), n of at least 2
    positions : k numbers from 0 to n - 1, in any order: 1.25 is a quarter of the way from the second to the third
    """
    keyframes = np.asarray(keyframes, dtype=np.float64)
    positions = np.asarray(positions, dtype=np.float64)
    if len(keyframes) < 2 or (positions < 0).any() or (positions > len(keyframes) - 1).any():
        raise InputError(
            f"along: expected positions in [0, n - 1] of n >= 2 keyframes, got {shortened(positions.ravel().tolist())} of {len(keyframes)}"
        )
    legs = np.minimum(positions.astype(int), len(keyframes) - 2)
    points = np.empty((len(positions), keyframes.shape[1]))
    for leg in np.unique(legs):
        on_leg = legs == leg
        points[on_leg] = slerp(keyframes[leg], keyframes[leg + 1], positions[on_leg] - leg)
    return points


def evenly(keyframes: np.ndarray, n: int) -> np.ndarray:
    """``n`` positions for `along`, from the first keyframe to the last, equal angles apart, float64 ``(n,)``.

    The speed is constant over the whole path, however far apart the keyframes ``(k, d)`` are; those between the ends
    fall between two positions.

    >>> turns = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 1.0]])
    >>> [float(p) for p in evenly(turns, 4).round(6)]
    [0.0, 0.5, 1.0, 2.0]
    """
    travelled = np.concatenate([[0.0], np.cumsum(angle(keyframes[:-1], keyframes[1:]))])
    positions = np.interp(np.linspace(0, travelled[-1], n), travelled, np.arange(len(keyframes)))
    positions[[0, -1]] = 0, len(keyframes) - 1  # exact, also where two keyframes coincide
    return positions


def mean(vectors: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """The weighted mean of directions on the sphere, float64 ``(d,)``, with the weighted mean of the norms.

    The point whose weighted squared angles to the rows are least (Karcher 1977), found by moving along the mean
    tangent; of two rows it is `slerp`.

    Parameters
    ----------
    vectors : array of shape (n, d)
    weights : n numbers, none negative and not all zero; equal when None

    Raises
    ------
    InputError
        For weights that are not, or rows that cancel out, whose mean has no direction.
    """
    u = unit(np.atleast_2d(np.asarray(vectors, dtype=np.float64)))
    w = np.ones(len(u)) if weights is None else np.asarray(weights, dtype=np.float64)
    if w.shape != (len(u),) or not np.isfinite(w).all() or (w < 0).any() or w.sum() <= 0:
        raise InputError(
            f"mean: expected {len(u)} weights, none negative and not all zero, got {shortened(np.ravel(weights).tolist())}"
        )
    w = w / w.sum()
    if norm(w @ u) < ANTIPODAL:
        raise InputError(
            "mean: expected rows that do not cancel out, got rows whose mean has no direction; leave some out"
        )
    middle = unit(w @ u)
    for _ in range(100):
        theta = angle(np.broadcast_to(middle, u.shape), u)
        aside = u - np.cos(theta)[:, None] * middle
        step = (w * theta / np.maximum(np.sin(theta), 1e-12)) @ aside
        length = norm(step)
        if length < 1e-12:
            break
        middle = unit(np.cos(length) * middle + np.sin(length) * step / length)
    return middle * (w @ norm(np.atleast_2d(vectors)))
