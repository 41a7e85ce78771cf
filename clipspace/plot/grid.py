"""Pictures in rows and columns, with labels that stay aligned with them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from clipspace.plot.axes import axes_of


def grid(
    images: np.ndarray,
    *,
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
    gap: float = 0.06,
    ax: Axes | None = None,
) -> Axes:
    """Pictures uint8 ``(rows, columns, h, w, 3)`` on one Axes, one unit a cell, ``gap`` between them.

    Row labels stand left of their row, column labels above their column. The Axes keeps the aspect of the grid.
    """
    ax = axes_of(ax)
    rows, columns = images.shape[:2]
    half = (1 - gap) / 2
    for i in range(rows):
        for j in range(columns):
            extent = (j - half, j + half, i + half, i - half)
            ax.imshow(images[i, j], extent=extent, interpolation="nearest", aspect="equal")
    ax.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0, pad=2)
    ax.set_xticks(range(columns), column_labels or [""] * columns)
    ax.set_yticks(range(rows), row_labels or [""] * rows)
    ax.xaxis.tick_top()
    return ax
