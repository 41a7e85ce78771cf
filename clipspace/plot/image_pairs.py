"""Pairs of images: before and after something was done to them, with an arrow; or one above the other."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes

from clipspace.plot.axes import AS_WRITTEN, axes_of
from clipspace.plot.grids import grid
from clipspace.plot.writing import number

_SHORT = 8
"""Most letters of the name of an encoder that there is room for."""


def pairs(
    before: np.ndarray,
    after: np.ndarray,
    *,
    labels: tuple[str, str] = ("before", "after"),
    row_labels: Sequence[str] | None = None,
    captions: Sequence[Sequence[str]] | None = None,
    wrap: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Images uint8 ``(rows, h, w, 3)`` in two columns under their ``labels``, an arrow between those of a row.

    Row labels and ``captions`` (two for each row) are those of `grid`, and so are its rows: the two stand level.
    """
    columns = np.stack([before, after], axis=1)
    options = {"row_labels": row_labels, "column_labels": labels, "captions": captions, "wrap": wrap}
    ax = grid(columns, breaks=[1], ax=ax, **options)
    left, right = ax.get_xticks()
    for y in ax.get_yticks():
        ax.annotate(
            "", (right - 0.5, y), (left + 0.5, y), arrowprops={"arrowstyle": "-|>", "color": "black", "lw": 0.8}
        )
    return ax


def pair_cosines(cosines: Sequence[Sequence[float]], other: str) -> dict[str, object]:
    """Labels for `pair_columns`: under one another the cosine of each pair in z and in the ``other`` encoder, and their names."""
    name = other if len(other) <= _SHORT else "other"
    labels = [f"{number(of_z)}\n{number(of_other)}" for of_z, of_other in cosines]
    return {"labels": labels, "label_names": f"cosine in z\nin {name}"}


def pair_columns(
    images: np.ndarray,
    *,
    labels: Sequence[str],
    title: str,
    label_names: str = "",
    row_labels: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Images uint8 ``(pairs, rows, h, w, 3)``, each pair a column under its label; where there is none, the Axes says so.

    ``label_names``, left of the labels, say line by line what these are.
    """
    ax = axes_of(ax)
    ax.set_title(title, **AS_WRITTEN)
    if len(images):
        grid(images.swapaxes(0, 1), row_labels=row_labels, column_labels=labels, ax=ax)
        place = {"xycoords": ax.get_xaxis_transform(), "xytext": (-2, 2), "textcoords": "offset points"}
        size = mpl.rcParams["xtick.labelsize"]
        ax.annotate(label_names, (-0.5, 1), **place, ha="right", va="bottom", size=size, **AS_WRITTEN)
        return ax
    ax.set_axis_off()
    ax.text(0.5, 0.5, "no such pair", ha="center", transform=ax.transAxes)
    return ax
