"""A matrix as colours, its values written in the cells where there is room."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from clipspace.plot.axes import AS_WRITTEN, axes_of
from clipspace.sequences import in_order

_ROOM = 12
"""Largest number of rows or columns whose values are written in their cells."""


def heatmap(
    values: np.ndarray,
    *,
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
    limits: tuple[float, float] = (0.0, 1.0),
    ax: Axes | None = None,
) -> Axes:
    """``values`` ``(rows, columns)`` from light to dark over ``limits``; NaN cells stay empty.

    Values are written, to two decimals, in a matrix of up to 12 rows and columns; a larger one has a colour bar.
    """
    ax = axes_of(ax)
    values = np.asarray(values, dtype=float)
    row_labels = None if row_labels is None else list(in_order(row_labels, "heatmap"))
    column_labels = None if column_labels is None else list(in_order(column_labels, "heatmap"))
    image = ax.imshow(values, cmap="Blues", vmin=limits[0], vmax=limits[1], aspect="equal")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    ax.set_xticks(range(values.shape[1]), column_labels or [""] * values.shape[1], **AS_WRITTEN)
    ax.set_yticks(range(values.shape[0]), row_labels or [""] * values.shape[0], **AS_WRITTEN)
    ax.xaxis.tick_top()
    if max(values.shape) > _ROOM:
        ax.figure.colorbar(image, ax=ax, shrink=0.8)
        return ax
    middle = (limits[0] + limits[1]) / 2
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            ink = "white" if value > middle else "black"
            ax.text(j, i, f"{value:.2f}", ha="center", va="center", color=ink, size="small")
    return ax
