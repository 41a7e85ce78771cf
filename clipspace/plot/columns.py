"""Columns of numbers that stand level with the rows of a `grid` of the images they are of."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes

from clipspace.plot.axes import AS_WRITTEN, axes_of
from clipspace.plot.style import width
from clipspace.plot.writing import number

_WIDTH = 0.58
"""Mean width of a letter, in sizes of its font."""


def cells_for(names: Sequence[str], columns: int, venue: str) -> float:
    """Width, in cells of a `grid` of so many ``columns`` beside them, that number columns of these names take of a page.

    Call it inside `paper`, whose fonts count.
    """
    size, longest = mpl.rcParams["xtick.labelsize"], [max(map(len, name.split("\n"))) + 2 for name in names]
    across = size / 72 * _WIDTH * sum(longest)
    return columns * across / (width(venue) - across)


def number_columns(
    values: Sequence[Sequence[float | None]],
    names: Sequence[str],
    *,
    digits: int = 2,
    cells: float = 2.0,
    ax: Axes | None = None,
) -> Axes:
    """``values`` ``(rows, k)`` as texts under their ``names``, the rows level with those of `grid`; a dash for None.

    The Axes is ``cells`` of a grid's cells wide: give both widths in that ratio, and they keep one scale.
    """
    ax = axes_of(ax)
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            size = mpl.rcParams["ytick.labelsize"]
            ax.text(j, i, number(value, digits), ha="center", va="center", size=size)
    ax.set(xlim=(-0.5, len(names) - 0.5), ylim=(len(values) - 0.5, -0.5), yticks=[])
    ax.set_xticks(range(len(names)), names, **AS_WRITTEN)
    ax.xaxis.tick_top()
    ax.tick_params(length=0, pad=2)
    ax.spines[:].set_visible(False)
    ax.set_box_aspect(len(values) / cells)
    return ax
