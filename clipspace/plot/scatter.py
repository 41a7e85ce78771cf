"""A map of points, coloured by a column, with pictures of some of them that do not overlap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from clipspace.plot.axes import axes_of
from clipspace.plot.style import COLORS
from clipspace.sequences import check_labels, in_order

_OTHER, _OTHER_COLOR = "other", "0.72"


def scatter(
    points: np.ndarray,
    *,
    column: Sequence | None = None,
    color: str = COLORS[0],
    size: float = 4.0,
    thumbnails: np.ndarray | None = None,
    rows: Sequence[int] | None = None,
    side: float = 0.06,
    ax: Axes | None = None,
) -> Axes:
    """``points`` ``(n, 2)``, rasterised, in one ``color`` or those of ``column``: labels have a legend, amounts a bar.

    ``thumbnails`` uint8 ``(m, h, w, 3)`` are pictures of ``rows`` (all, when None), ``side`` of the map's extent each.
    They are laid at their points in order, each only where it covers no other; its frame has the colour of its label.
    """
    ax = axes_of(ax)
    points = np.asarray(points, dtype=float)
    if column is not None:
        column = in_order(column, "scatter")
        check_labels(column, "scatter")
    known = None if column is None or all(isinstance(value, float) for value in column) else _palette(column)
    frames = [color] * len(points) if known is None else [known.get(str(value), _OTHER_COLOR) for value in column]
    layer = ax.scatter(
        *points.T, s=size, c=frames if known or column is None else column, linewidths=0, rasterized=True
    )
    if known:
        _explain(known, ax)
    elif column is not None:
        ax.figure.colorbar(layer, ax=ax, shrink=0.6)
    middle, reach = (points.min(axis=0) + points.max(axis=0)) / 2, 1.04 * np.ptp(points, axis=0) / 2
    if thumbnails is not None:
        rows = np.arange(len(points)) if rows is None else np.asarray(rows)
        edge = side * np.ptp(points, axis=0).max()
        reach += edge / 2
        for k in apart_in_plane(points[rows], edge * 1.08):
            _thumbnail(ax, thumbnails[k], points[rows[k]], edge, frames[rows[k]])
    ax.set(xlim=middle[0] + reach[0] * np.array([-1, 1]), ylim=middle[1] + reach[1] * np.array([-1, 1]))
    ax.set(aspect="equal", xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    return ax


def apart_in_plane(points: np.ndarray, edge: float) -> list[int]:
    """Rows of ``points`` ``(m, 2)``, first come first served, whose squares of this ``edge`` do not overlap.

    >>> apart_in_plane(np.array([[0, 0], [0.5, 0.5], [0, 1.0]]), 1.0)
    [0, 2]
    """
    chosen: list[int] = []
    for i, point in enumerate(points):
        if not chosen or (np.abs(points[chosen] - point).max(axis=1) >= edge).all():
            chosen.append(i)
    return chosen


def _thumbnail(ax: Axes, image: np.ndarray, point: np.ndarray, edge: float, color) -> None:
    left, bottom = point - edge / 2
    extent = (left, left + edge, bottom, bottom + edge)
    ax.imshow(image, extent=extent, interpolation="nearest", zorder=3)
    ax.add_patch(Rectangle((left, bottom), edge, edge, fill=False, edgecolor=color, linewidth=0.8, zorder=4))


def _palette(column: Sequence) -> dict[str, str]:
    """A colour for each of the most common labels, in alphabetical order; grey is that of the rest."""
    counts = Counter(map(str, column))
    common = sorted(label for label, _ in counts.most_common(len(COLORS)))
    rest = sorted(set(counts) - set(common))
    known = dict(zip(common, COLORS, strict=False))
    return known | ({rest[0] if len(rest) == 1 else _OTHER: _OTHER_COLOR} if rest else {})


def _explain(known: dict[str, str], ax: Axes) -> None:
    """A legend right of ``ax``."""
    for name, color in known.items():
        ax.scatter([], [], s=16, c=color, label=name)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), handletextpad=0.1)
