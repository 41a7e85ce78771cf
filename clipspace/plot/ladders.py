"""Curves over the number of components, level with the columns of a `grid`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from clipspace.plot.axes import axes_of, legend

_MARKERS = "os^Dv*P"
_LARGEST, _SMALLEST = 7, 3
"""Sizes of the markers of the first and of the last curve, in points: where curves meet, all are seen."""


def ladder(
    counts: Sequence[int],
    curves: Mapping[str, Sequence[float]],
    *,
    chance: Mapping[str, float] | None = None,
    ylabel: str = "",
    ax: Axes | None = None,
) -> Axes:
    """One line for each of ``curves``, a value in [0, 1] at each of the ``counts``, which stand one unit apart.

    ``chance`` is a level for some of the curves, dotted in their colour. The steps lie under the first columns of a `grid`
    that is given the same x limits. The legend stands at the right.
    """
    ax = axes_of(ax)
    steps, lines = np.arange(len(counts)), []
    sizes = np.linspace(_LARGEST, _SMALLEST, max(len(curves), 2))
    for marker, size, (name, values) in zip(_MARKERS, sizes, curves.items(), strict=False):
        lines += ax.plot(steps, values, marker=marker, markersize=size, markerfacecolor="none", label=name)
        if chance and name in chance:
            ax.axhline(chance[name], color=lines[-1].get_color(), linestyle=":", linewidth=1)
    ax.set(xlim=(-0.5, len(counts) - 0.5), ylim=(0, 1.05), ylabel=ylabel)
    ax.set_xticks(steps, [str(count) for count in counts])
    legend(ax, lines, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, borderaxespad=0.1)
    return ax
