"""A map of points, coloured by a column, with images of some of them that do not overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.markers import MarkerStyle
from matplotlib.patches import Rectangle
from matplotlib.path import Path

from clipspace.measure.column_structure import MOST
from clipspace.measure.column_structure import column as read_column
from clipspace.plot.axes import axes_of, legend
from clipspace.plot.colors import PALETTE, SCALE, SHAPES, named_colors
from clipspace.plot.style import COLORS
from clipspace.sequences import check_labels, in_order

_OTHER, _OTHER_COLOR = "other", "0.72"
_MARKERS = dict(zip(SHAPES, "oD^", strict=True))
_RIM = {"edgecolors": "0.5", "linewidths": 0.3}
"""Rim of points whose colour may be that of the paper."""
_LONG = 9
"""Largest number of lines of a legend with one column."""


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
    """``points`` ``(n, 2)``, rasterised, in one ``color`` or those of ``column``: labels have a legend, numbers a bar.

    Labels that all name a colour have that colour; others have one of 8 colours in one of 3 shapes, the most frequent
    24 of them, and what is left or missing is grey. `clipspace.measure.column_structure.column` says what is a label and what a number.
    ``thumbnails`` uint8 ``(m, h, w, 3)`` are images of ``rows`` (all, when None), ``side`` of the map's extent each.
    They are placed at their points in order, and left out where they would cover another; each frame has the colour of its label.
    """
    ax = axes_of(ax)
    points = np.asarray(points, dtype=float)
    if column is not None:
        column = in_order(column, "scatter")
        check_labels(column, "scatter")
    structure = {} if column is None else read_column(column)
    if "labels" in structure:
        frames = _labelled(points, structure, size, ax)
    elif "numbers" in structure:
        frames = [color] * len(points)
        shades = ListedColormap(SCALE).with_extremes(bad=_OTHER_COLOR)
        numbers = np.ma.masked_invalid(structure["numbers"])
        layer = ax.scatter(*points.T, s=size, c=numbers, cmap=shades, plotnonfinite=True, linewidths=0, rasterized=True)
        ax.figure.colorbar(layer, ax=ax, shrink=0.6)
    else:
        frames = [color] * len(points)
        ax.scatter(*points.T, s=size, c=frames, linewidths=0, rasterized=True)
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
    rows: list[int] = []
    for i, point in enumerate(points):
        if not rows or (np.abs(points[rows] - point).max(axis=1) >= edge).all():
            rows.append(i)
    return rows


def _thumbnail(ax: Axes, image: np.ndarray, point: np.ndarray, edge: float, color) -> None:
    left, bottom = point - edge / 2
    extent = (left, left + edge, bottom, bottom + edge)
    ax.imshow(image, extent=extent, interpolation="nearest", zorder=3)
    ax.add_patch(Rectangle((left, bottom), edge, edge, fill=False, edgecolor=color, linewidth=0.8, zorder=4))


def _labelled(points: np.ndarray, structure: dict, size: float, ax: Axes) -> list[str]:
    """Points in the colour and shape of their label, and a legend; returns the colours."""
    labels, codes = structure["labels"], structure["codes"]
    label_colors = named_colors(labels)
    colors = (label_colors or [PALETTE[i % len(PALETTE)] for i in range(len(labels))])[:MOST]
    shapes = [_MARKERS[SHAPES[0 if label_colors else i // len(PALETTE)]] for i in range(len(colors))]
    has_color = [0 <= code < len(colors) for code in codes]
    frames = [colors[code] if is_shown else _OTHER_COLOR for code, is_shown in zip(codes, has_color, strict=True)]
    rim = _RIM if label_colors else {"linewidths": 0}
    layer = ax.scatter(*points.T, s=size, c=frames, rasterized=True, **rim)
    if len(set(shapes)) > 1:
        outlines = {mark: _outline(mark) for mark in shapes}
        marks = [
            shapes[code] if is_shown else _MARKERS[SHAPES[0]] for code, is_shown in zip(codes, has_color, strict=True)
        ]
        layer.set_paths([outlines[mark] for mark in marks])
    listed = list(zip(labels, colors, shapes, strict=False))
    if not all(has_color):
        listed.append((_OTHER if len(labels) > len(colors) else "missing", _OTHER_COLOR, _MARKERS[SHAPES[0]]))
    handles = [ax.scatter([], [], s=16, c=color, marker=mark, label=label, **rim) for label, color, mark in listed]
    columns = 1 + (len(listed) > _LONG)
    legend(ax, handles, loc="center left", bbox_to_anchor=(1, 0.5), handletextpad=0.1, columnspacing=0.8, ncols=columns)
    return frames


def _outline(mark: str) -> Path:
    style = MarkerStyle(mark)
    return style.get_path().transformed(style.get_transform())
