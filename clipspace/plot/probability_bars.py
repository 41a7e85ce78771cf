"""Probabilities as bars that stand level with the rows of a `grid` of the images they are of."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes

from clipspace.plot.axes import AS_WRITTEN, axes_of
from clipspace.plot.style import COLORS

_ROOM = 1.5
"""Right end of the axis, which leaves room for the percentage behind a bar of length 1."""


def probabilities(
    values: np.ndarray, labels: Sequence[str] | np.ndarray, *, cells: float = 2.0, ax: Axes | None = None
) -> Axes:
    """Bars of probabilities ``(rows, k)`` in [0, 1], the rows level with those of `grid`, each with its percentage.

    ``labels`` name the ``k`` bars, or ``(rows, k)`` each bar. The Axes is ``cells`` of a grid's cells wide: give both
    widths in that ratio, and they keep one scale.
    """
    ax = axes_of(ax)
    rows, k = values.shape
    bar_labels = np.broadcast_to(np.asarray(labels), values.shape)
    thick = 0.84 / k
    y = np.arange(rows)[:, None] + thick * (np.arange(k) - (k - 1) / 2)
    ax.barh(y.ravel(), values.ravel(), height=0.8 * thick, color=np.tile(COLORS[:k], rows))
    for at, value in zip(y.ravel(), values.ravel(), strict=True):
        ax.text(value + 0.03, at, percent(value), va="center_baseline", fontsize=mpl.rcParams["ytick.labelsize"])
    ax.set(xlim=(0, _ROOM), ylim=(rows - 0.5, -0.5), xticks=[])
    ax.set_yticks(y.ravel(), bar_labels.ravel(), **AS_WRITTEN)
    ax.tick_params(length=0, pad=2)
    ax.spines[["top", "right", "bottom"]].set_visible(False)
    ax.set_box_aspect(rows / cells)
    return ax


def percent(value: float) -> str:
    """A probability as a percentage that never rounds to certainty.

    >>> [percent(p) for p in (0.0002, 0.5, 0.99996, 1.0)]
    ['0.02%', '50.0%', '>99.9%', '100%']
    """
    if value in (0, 1):
        return f"{value:.0%}"
    if value < 0.0001:
        return "<0.01%"
    if value > 0.999:
        return ">99.9%"
    return f"{value:.2%}" if value < 0.001 else f"{value:.1%}"
