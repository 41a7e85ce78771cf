"""Names of groups written on a map, beside their points and apart from one another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from clipspace.plot.axes import AS_WRITTEN
from clipspace.sequences import in_order

_MOST = 300
"""Points of a group that are looked at to find its middle."""
_RINGS = (0, 7, 12, 18, 25, 33, 42)
"""Distances in points at which a place for a name is tried."""
_AROUND = 16


def name_groups(points: np.ndarray, labels: Sequence, *, ax: Axes) -> Axes:
    """Write each of ``labels`` ``(n,)`` where its ``points`` ``(n, 2)`` are densest, or near it, where no other name is.

    Names are placed by the final size of the figure, so call it when all else is drawn. None has no name.
    """
    points, labels = np.asarray(points, dtype=float), np.asarray(in_order(labels, "name_groups"), dtype=object)
    ax.figure.draw_without_rendering()
    names, counts = np.unique([str(label) for label in labels if label is not None], return_counts=True)
    placed: list[Bbox] = []
    for name in names[np.argsort(-counts, kind="stable")]:
        placed.append(_place(ax, str(name), densest(points[labels == name]), placed))
    return ax


def densest(points: np.ndarray) -> np.ndarray:
    """The point ``(2,)`` of ``points`` ``(n, 2)`` whose nearest third of the others is nearest.

    >>> densest(np.array([[0, 0], [5, 5], [5, 6], [5, 7], [9, 0.0]])).tolist()
    [5.0, 6.0]
    """
    few = points[:: 1 + len(points) // _MOST]
    distances = np.sort(np.linalg.norm(few[:, None] - few[None], axis=2), axis=1)
    return few[distances[:, -(-len(few) // 3)].argmin() if len(few) > 1 else 0]


def _place(ax: Axes, name: str, point: np.ndarray, placed: Sequence[Bbox]) -> Bbox:
    """Write ``name`` at the first place around ``point`` that is inside the Axes and touches none of ``placed``."""
    text = ax.annotate(name, point, xytext=(0, 0), textcoords="offset points", ha="center", va="center", **AS_WRITTEN)
    text.set(size="small", color="0.1", zorder=5, in_layout=False)
    text.set_path_effects([withStroke(linewidth=2, foreground="white")])
    first = None
    for offset in _offsets():
        text.set_position(offset)
        box = Annotation.get_window_extent(text)
        first = first or box
        inside = ax.bbox.x0 <= box.x0 and box.x1 <= ax.bbox.x1 and ax.bbox.y0 <= box.y0 and box.y1 <= ax.bbox.y1
        if inside and not any(box.overlaps(other) for other in placed):
            return box
    text.set_position((0, 0))
    return first


def _offsets() -> list[tuple[float, float]]:
    """Places to try, in points from the middle of the group, the nearest first."""
    angles = 2 * np.pi * np.arange(_AROUND) / _AROUND
    return [(0.0, 0.0)] + [
        (radius * np.cos(angle), radius * np.sin(angle)) for radius in _RINGS[1:] for angle in angles
    ]
