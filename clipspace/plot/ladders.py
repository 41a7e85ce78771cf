"""Curves over the number of components, level with the columns of a `grid`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from clipspace.plot.axes import axes_of, legend

_MARKERS = "os^Dv*P"


def ladder(counts: Sequence[int], curves: Mapping[str, Sequence[float]], *, ax: Axes | None = None) -> Axes:
    """One line for each of ``curves``, a value in [0, 1] at each of the ``counts``, which stand one unit apart.

    The steps lie under the first columns of a `grid` that is given the same x limits.
    """
    ax = axes_of(ax)
    steps = np.arange(len(counts))
    lines = []
    for marker, (name, values) in zip(_MARKERS, curves.items(), strict=False):
        lines += ax.plot(steps, values, marker=marker, markersize=3, label=name)
    ax.set(xlim=(-0.5, len(counts) - 0.5), ylim=(0, 1.03), xlabel="principal components")
    ax.set_xticks(steps, [str(count) for count in counts])
    legend(ax, lines, loc="upper center", bbox_to_anchor=(0.5, -0.3), ncols=3)
    return ax
