"""Histograms of counts, over one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba

from clipspace.plot.axes import axes_of
from clipspace.plot.style import COLORS


def histogram(
    edges: np.ndarray, counts: Mapping[str, np.ndarray], *, colors: Sequence[str] = COLORS, ax: Axes | None = None
) -> Axes:
    """Share of each distribution in each bin: ``edges`` ``(b + 1,)``, ``counts`` ``{name: (b,)}``."""
    ax = axes_of(ax)
    for (name, heights), color in zip(counts.items(), cycle(colors), strict=False):
        share = np.asarray(heights) / np.sum(heights)
        # edges tell two distributions apart in grey as well
        ax.stairs(share, edges, fill=True, facecolor=to_rgba(color, 0.55), edgecolor=color, linewidth=0.8, label=name)
    ax.set_ylim(bottom=0)
    return ax
