"""Images in rows and columns, with labels that stay aligned with them."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import ScaledTranslation

from clipspace.plot.axes import AS_WRITTEN, axes_of
from clipspace.sequences import in_order

LINE = 0.22
"""Height of a caption under an image, in cells."""
BREAK = 0.5
"""Width of a break between columns, in cells."""
_SMALL = 128
_LINE_HEIGHT = 1.25
"""Height of a line of text, in sizes of its font."""


def grid(
    images: np.ndarray,
    *,
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
    captions: Sequence[Sequence[str]] | None = None,
    right_labels: Sequence[str] | None = None,
    breaks: Sequence[int] = (),
    wrap: int | None = None,
    gap: float = 0.06,
    ax: Axes | None = None,
) -> Axes:
    """Images uint8 ``(rows, columns, h, w, 3)`` on one Axes, one unit a cell, ``gap`` between them.

    Row labels stand left of their row, ``right_labels`` right of it, column labels above their column, and ``captions``,
    one for each image, below it. ``breaks`` are columns that half a cell is left free before. Labels go on in a new
    line after ``wrap`` characters. The Axes keeps the aspect of the grid.
    """
    ax = axes_of(ax)
    row_labels = None if row_labels is None else list(in_order(row_labels, "grid"))
    column_labels = None if column_labels is None else list(in_order(column_labels, "grid"))
    if captions is not None:
        captions = [in_order(row, "grid") for row in in_order(captions, "grid")]
    rows, columns = images.shape[:2]
    x = np.arange(columns) + BREAK * np.sum([np.arange(columns) >= j for j in breaks], axis=0)
    y = np.arange(rows) * (1.0 if captions is None else 1 + LINE)
    half = (1 - gap) / 2
    # Few pixels are embedded as they are, sharp at any zoom; more than print can show are resampled to what it can.
    interpolation = "none" if max(images.shape[2:4]) <= _SMALL else "antialiased"
    for i in range(rows):
        for j in range(columns):
            extent = (x[j] - half, x[j] + half, y[i] + half, y[i] - half)
            ax.imshow(images[i, j], extent=extent, interpolation=interpolation, aspect="equal")
            if captions is not None:
                size = mpl.rcParams["xtick.labelsize"]
                ax.text(x[j], y[i] + half + 0.03, captions[i][j], ha="center", va="top", fontsize=size, **AS_WRITTEN)
    ax.set(xlim=(-0.5, x[-1] + 0.5), ylim=(y[-1] + 0.5 + (0 if captions is None else LINE), -0.5))
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0, pad=2)
    ax.set_xticks(x, _wrapped(column_labels or [""] * columns, wrap), **AS_WRITTEN)
    ax.set_yticks(y, _wrapped(row_labels or [""] * rows, wrap), **AS_WRITTEN)
    ax.xaxis.tick_top()
    if right_labels is not None:
        beside = ax.secondary_yaxis("right")
        beside.set_yticks(y, _wrapped(right_labels, wrap))
        beside.tick_params(length=0, pad=2)
        beside.spines[:].set_visible(False)
    return ax


def span(ax: Axes, first: int, last: int, text: str, *, lines: int = 1) -> Axes:
    """Write ``text`` over the columns ``first`` to ``last`` of a `grid`, above their labels of so many ``lines``, and a rule."""
    rise = mpl.rcParams["xtick.labelsize"] * _LINE_HEIGHT * lines + 4
    left, right = ax.get_xticks()[[first, last]] + 0.4 * np.array([-1, 1])
    above = ax.get_xaxis_transform() + ScaledTranslation(0, rise / 72, ax.figure.dpi_scale_trans)
    ax.plot([left, right], [1, 1], transform=above, color="0.3", linewidth=0.6, clip_on=False)
    place = {"xycoords": ax.get_xaxis_transform(), "xytext": (0, rise + 2), "textcoords": "offset points"}
    size = mpl.rcParams["xtick.labelsize"]
    ax.annotate(text, ((left + right) / 2, 1), **place, ha="center", va="bottom", size=size, **AS_WRITTEN)
    return ax


def _wrapped(labels: Sequence[str], wrap: int | None) -> list[str]:
    if wrap is None:
        return list(labels)
    return ["\n".join(textwrap.fill(line, wrap) for line in label.split("\n")) for label in labels]
