"""The drawings: each *thing* is a few polygons in a unit box, with a body whose colour is free.

A part is ``(fill, points)``. ``fill`` is ``"body"`` (takes the scene's colour and texture), ``"dark"``
or ``"light"`` (shades of the body colour), or a fixed ``#rrggbb``. Points are ``(k, 2)`` float arrays in
``[-1, 1]``, x to the right and y down, drawn in order.
"""

from __future__ import annotations

import numpy as np

Part = tuple[str, np.ndarray]

LEAF, BARK, TYRE, PAPER, PALE, INK, CRUST = "#3f9b45", "#6b4a2f", "#26262a", "#f4f1e6", "#d5d9e0", "#1d1d20", "#c98f4e"


def _arc(cx: float, cy: float, rx: float, ry: float, start: float = 0.0, stop: float = 360.0) -> np.ndarray:
    """Points along an ellipse, from ``start`` to ``stop`` degrees (clockwise on screen)."""
    angle = np.radians(np.linspace(start, stop, 40))
    return np.stack([cx + rx * np.cos(angle), cy + ry * np.sin(angle)], axis=1)


def _polygon(*points: tuple[float, float]) -> np.ndarray:
    return np.array(points, dtype=float)


def _star() -> np.ndarray:
    angle = np.radians(-90 + 36 * np.arange(10))
    radius = np.where(np.arange(10) % 2, 0.42, 1.0)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def _heart() -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, 60)
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([np.sin(t) ** 3, -y / 16 - 0.1], axis=1)


def _ring(cx: float, cy: float, outer: float, inner: float) -> np.ndarray:
    """An annulus as one polygon: the outer edge, then the inner edge backwards."""
    return np.concatenate([_arc(cx, cy, outer, outer), _arc(cx, cy, inner, inner, 360, 0)])


def _crescent() -> np.ndarray:
    return np.concatenate([_arc(0.15, 0, 0.98, 0.98, 55, 305), _arc(0.52, 0, 0.8, 0.8, 292, 68)])


def _petals() -> list[Part]:
    angles = np.radians(-90 + 72 * np.arange(5))
    return [("body", _arc(0.56 * np.cos(a), 0.56 * np.sin(a), 0.43, 0.43)) for a in angles]


THINGS: dict[str, list[Part]] = {
    "circle": [("body", _arc(0, 0, 0.92, 0.92))],
    "square": [("body", _polygon((-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)))],
    "triangle": [("body", _polygon((0, -0.95), (0.95, 0.75), (-0.95, 0.75)))],
    "star": [("body", _star())],
    "heart": [("body", _heart())],
    "ring": [("body", _ring(0, 0, 0.95, 0.5))],
    "apple": [
        ("body", _arc(-0.32, 0.2, 0.6, 0.74)),
        ("body", _arc(0.32, 0.2, 0.6, 0.74)),
        (BARK, _polygon((-0.08, -0.4), (0.02, -0.98), (0.18, -0.95), (0.08, -0.4))),
        (LEAF, _arc(0.48, -0.74, 0.4, 0.2)),
    ],
    "pizza": [
        (CRUST, np.concatenate([_arc(0, -0.45, 0.98, 0.42, 180, 360), _polygon((0.88, -0.3), (-0.88, -0.3))])),
        ("body", _polygon((-0.84, -0.45), (0.84, -0.45), (0, 1.0))),
        ("dark", _arc(-0.32, -0.18, 0.2, 0.2)),
        ("dark", _arc(0.34, -0.12, 0.2, 0.2)),
        ("dark", _arc(0.0, 0.38, 0.18, 0.18)),
    ],
    "fish": [
        ("dark", _polygon((0.35, 0.0), (1.0, -0.6), (1.0, 0.6))),
        ("body", _arc(-0.2, 0, 0.8, 0.55)),
        (PALE, _arc(-0.58, -0.12, 0.16, 0.16)),
        (INK, _arc(-0.6, -0.12, 0.09, 0.09)),
    ],
    "house": [
        ("body", _polygon((-0.75, -0.15), (0.75, -0.15), (0.75, 0.95), (-0.75, 0.95))),
        ("dark", _polygon((-1.0, -0.1), (0.0, -0.98), (1.0, -0.1))),
        (PALE, _polygon((-0.2, 0.3), (0.2, 0.3), (0.2, 0.95), (-0.2, 0.95))),
    ],
    "tree": [
        (BARK, _polygon((-0.16, 0.5), (0.16, 0.5), (0.16, 1.0), (-0.16, 1.0))),
        ("body", _polygon((0, -1.0), (0.55, -0.3), (-0.55, -0.3))),
        ("body", _polygon((0, -0.7), (0.7, 0.15), (-0.7, 0.15))),
        ("body", _polygon((0, -0.3), (0.85, 0.6), (-0.85, 0.6))),
    ],
    "car": [
        ("dark", _polygon((-0.55, -0.05), (-0.35, -0.55), (0.35, -0.55), (0.6, -0.05))),
        ("body", _polygon((-1.0, -0.1), (0.9, -0.1), (1.0, 0.1), (1.0, 0.4), (-1.0, 0.4))),
        (TYRE, _arc(-0.52, 0.42, 0.27, 0.27)),
        (TYRE, _arc(0.52, 0.42, 0.27, 0.27)),
    ],
    "boat": [
        (BARK, _polygon((-0.07, -0.95), (0.05, -0.95), (0.05, 0.4), (-0.07, 0.4))),
        (PALE, _polygon((0.12, -0.9), (0.85, 0.2), (0.12, 0.2))),
        ("body", _polygon((-1.0, 0.3), (1.0, 0.3), (0.6, 0.9), (-0.6, 0.9))),
    ],
    "cup": [
        ("dark", _ring(0.6, 0.0, 0.42, 0.22)),
        ("body", _polygon((-0.9, -0.7), (0.6, -0.7), (0.42, 0.85), (-0.72, 0.85))),
        ("light", _arc(-0.15, -0.7, 0.75, 0.17)),
    ],
    "flower": [*_petals(), ("#f6c945", _arc(0, 0, 0.34, 0.34))],
    "mushroom": [
        (PALE, _polygon((-0.28, 0.0), (0.28, 0.0), (0.36, 0.95), (-0.36, 0.95))),
        ("body", np.concatenate([_arc(0, 0.15, 0.98, 1.0, 180, 360)])),
        ("light", _arc(-0.4, -0.25, 0.17, 0.17)),
        ("light", _arc(0.3, -0.4, 0.17, 0.17)),
    ],
    "cat": [
        ("body", _polygon((-0.85, -0.95), (-0.15, -0.5), (-0.8, 0.1))),
        ("body", _polygon((0.85, -0.95), (0.15, -0.5), (0.8, 0.1))),
        ("body", _arc(0, 0.15, 0.86, 0.74)),
        (INK, _arc(-0.36, 0.02, 0.13, 0.17)),
        (INK, _arc(0.36, 0.02, 0.13, 0.17)),
        ("light", _polygon((-0.14, 0.34), (0.14, 0.34), (0.0, 0.52))),
    ],
    "moon": [("body", _crescent())],
}

SYMMETRIC = ("circle", "square", "star", "ring", "flower")
"""Things that look the same after a turn of 90 degrees or less: on a plain one, nobody can tell how far it was turned."""
