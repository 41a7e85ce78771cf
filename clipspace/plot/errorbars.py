"""Values in rows with their intervals and chance levels, as bars or dots, from top to bottom."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from clipspace.plot.axes import AS_WRITTEN, axes_of
from clipspace.plot.style import COLORS

_INK, _CHANCE = "0.15", "0.55"
_LINES = "|_x+"
"""Markers that are lines; others have a white rim, which lifts them off a bar."""


def intervals(
    labels: Sequence[str],
    values: Sequence[float | None],
    *,
    low: Sequence[float | None] | None = None,
    high: Sequence[float | None] | None = None,
    chance: Sequence[float | None] | None = None,
    color: str | Sequence[str] = COLORS[0],
    bars: bool = False,
    marker: str = "o",
    size: float = 4,
    offset: float = 0.0,
    height: float = 0.72,
    label: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """One value a row, the first at the top, with a line from ``low`` to ``high`` and a tick at ``chance``.

    Values are bars from 0, or a ``marker`` of ``size`` points; ``height`` of bars and ticks is in rows. None, and NaN,
    draw nothing. Call it again on the same Axes, with an ``offset`` in rows, for a second series; ``label`` names it
    in a legend.
    """
    ax = axes_of(ax)
    rows = np.arange(len(labels))
    places = rows + offset
    numbers, low, high, chance = (_numbers(column, len(rows)) for column in (values, low, high, chance))
    ax.vlines(chance, places - height / 2, places + height / 2, colors=_CHANCE, linewidth=1.6, zorder=2.5)
    if bars:
        ax.barh(places, numbers, height, color=color, label=label)
    else:
        rim = {"linewidths": 1.6} if marker in _LINES else {"linewidths": 0.5, "edgecolors": "white"}
        ax.scatter(numbers, places, s=size**2, c=color, marker=marker, label=label, zorder=3, **rim)
    if bars:  # ink alone would not be seen on a dark bar
        ax.hlines(places, low, high, colors="white", linewidth=3.0, zorder=2.7)
    ax.hlines(places, low, high, colors=_INK if bars else color, linewidth=1.0, zorder=2.8)
    ax.set_yticks(rows, labels, **AS_WRITTEN)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    return ax


def _numbers(column: Sequence[float | None] | None, n: int) -> np.ndarray:
    return np.full(n, np.nan) if column is None else np.asarray(column, dtype=float)
