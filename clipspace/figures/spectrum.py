"""The figure of `clipspace.analyses.spectrum`: how the variance is shared out among principal components."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from clipspace.plot import COLORS, curves, paper, width
from clipspace.plot.axes import legend
from clipspace.results.result import Result

_FLOOR = 1e-5


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """Left the share of each component, right that of all up to it; dots are where 90, 95 and 99 % are reached."""
    shares, cumulative, needed = (result.arrays[name] for name in ("shares", "cumulative", "needed"))
    names = [
        f"{name}: {', '.join(map(str, counts))}" for name, counts in zip(result.labels["sets"], needed, strict=True)
    ]
    components = np.arange(1, shares.shape[1] + 1)
    with paper(venue):
        across = width(venue)
        figure = Figure(figsize=(across, 0.42 * across))
        left, right = figure.subplots(1, 2)
        left.set(yscale="log", ylim=(_FLOOR, 1), xlabel="component", ylabel="share of the variance")
        curves(components, dict(zip(names, shares, strict=True)), ends=False, ax=left)
        left.get_legend().remove()
        right.set(xlabel="components", ylabel="share held together", xlim=(0, 1.4 * needed.max()), ylim=(0, 1.03))
        curves(components, dict(zip(names, cumulative, strict=True)), ends=False, ax=right)
        legend(
            right,
            right.get_lines(),
            title=f"components for {', '.join(result.labels['levels'])}",
            title_fontsize="small",
        )
        for counts, held, color in zip(needed, cumulative, COLORS, strict=False):
            right.plot(counts, held[counts - 1], "o", color=color, markersize=4)
    return figure
