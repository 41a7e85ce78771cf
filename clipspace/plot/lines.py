"""Lines over one axis, with bands of uncertainty, each named where it ends or in a legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes

from clipspace.plot.axes import AS_WRITTEN, axes_of, legend
from clipspace.plot.style import COLORS

_STYLES = ("-", "--", "-.", ":")
_APART = 0.11
"""Smallest distance between two names at line ends, as a share of the height of the Axes."""


def curves(
    x: np.ndarray | Mapping[str, np.ndarray],
    lines: Mapping[str, np.ndarray],
    *,
    bands: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
    colors: Sequence[str] = COLORS,
    marker: str = "",
    ends: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """One line for each name in ``lines``, over ``x`` or over its own, each in another colour and style of line.

    ``bands`` are lower and upper edges. Names stand at the right ends of the lines, moved apart where these are near,
    or in a legend where ``ends`` is False. Set the scales and limits of ``ax`` before: names are placed by them.
    """
    ax = axes_of(ax)
    line_by_name = {}
    for (name, y), color, style in zip(lines.items(), cycle(colors), cycle(_STYLES), strict=False):
        across = x[name] if isinstance(x, Mapping) else x
        (line,) = ax.plot(across, y, style, marker=marker, markersize=4, label=name, color=color)
        line_by_name[name] = line
        if bands is not None and name in bands:
            ax.fill_between(across, *bands[name], color=color, alpha=0.2, linewidth=0)
    if not ends:
        legend(ax, line_by_name.values())
        return ax
    ax.autoscale_view()
    last = {name: (line.get_xdata()[-1], line.get_ydata()[-1]) for name, line in line_by_name.items()}
    to_axes = ax.transData + ax.transAxes.inverted()
    heights = apart(np.array([to_axes.transform(point)[1] for point in last.values()]), _APART)
    for (name, line), height in zip(line_by_name.items(), heights, strict=True):
        place = {"xy": (1.02, height), "xycoords": ax.transAxes, "annotation_clip": False}
        ax.annotate(name, **place, color=line.get_color(), va="center", size="small", **AS_WRITTEN)
    return ax


def apart(heights: np.ndarray, least: float) -> np.ndarray:
    """Heights in the same order but at least ``least`` apart, each group of near ones about its own mean.

    >>> apart(np.array([0.5, 0.5, 0.9]), 0.2).round(2).tolist()
    [0.4, 0.6, 0.9]
    """
    order = np.argsort(heights, kind="stable")
    groups = [[float(heights[i])] for i in order]
    merged = True
    while merged:
        merged = False
        for k in range(len(groups) - 1):
            low, high = _spread(groups[k], least)[-1], _spread(groups[k + 1], least)[0]
            if high - low < least - 1e-9:
                groups[k : k + 2] = [groups[k] + groups[k + 1]]
                merged = True
                break
    places = np.empty(len(heights))
    places[order] = [place for group in groups for place in _spread(group, least)]
    return places


def _spread(group: list[float], least: float) -> list[float]:
    middle = sum(group) / len(group)
    return [middle + least * (i - (len(group) - 1) / 2) for i in range(len(group))]
