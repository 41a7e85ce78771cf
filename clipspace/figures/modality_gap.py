"""The figure of `clipspace.analyses.modality_gap`: two clouds, their cosines, and retrieval as they are moved."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clipspace.plot import COLORS, curves, histogram, paper, width
from clipspace.results.result import Result


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """Left the plane of the gap, with both means; middle the cosines; right recall@1 as the gap is closed or widened."""
    with paper(venue):
        across = width(venue)
        figure = Figure(figsize=(across, 0.45 * across))
        plane, cosines, moved = figure.subplots(1, 3)
        _plane(result, plane)
        counts = dict(zip(result.labels["cosines"], result.arrays["cosines"], strict=True))
        histogram(result.arrays["edges"], counts, colors=COLORS[2:], ax=cosines)
        cosines.set(xlabel="cosine", ylabel="share", yticks=[])
        _moved(result, moved)
        for ax in (plane, cosines, moved):
            ax.legend(loc="lower left", bbox_to_anchor=(0, 1), handlelength=1.2, borderaxespad=0.2)
    return figure


def _plane(result: Result, ax: Axes) -> None:
    """Every point along the gap and across it; crosses are the means."""
    for name, points, color in zip(result.labels["modalities"], result.arrays["plane"], COLORS, strict=False):
        ax.scatter(*points.T, s=2, color=color, linewidths=0, alpha=0.5, rasterized=True)
        ax.plot(*points.mean(axis=0), "X", color=color, markersize=8, markeredgecolor="black", label=f"{name}, mean")
    ax.set(xlabel="along the gap", ylabel="most variance across it")


def _moved(result: Result, ax: Axes) -> None:
    """Recall both ways, over how far the two were moved towards each other along the gap."""
    moved, gap = result.arrays["moved"], result.arrays["image mean"] - result.arrays["text mean"]
    lines = dict(zip(("captions find images", "images find captions"), result.arrays["moved recall"], strict=True))
    curves(moved, lines, colors=COLORS[1::-1], marker="o", ends=False, ax=ax)
    ax.axvline(np.linalg.norm(gap), color="0.4", linestyle=":", label="gap closed")
    ax.set(xlabel="moved together by", ylabel="recall@1", ylim=(0, None))
