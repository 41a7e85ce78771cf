"""The figure of `clipspace.analyses.blind_pairs`: pairs that are one to CLIP, the reverse, and metamers."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clipspace.plot import grid, paper, width
from clipspace.plot.axes import AS_WRITTEN
from clipspace.results.result import Result


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """Pairs one above the other, under their two cosines; below, pictures and metamers of them, under those to z."""
    metamers = sorted(name for name in result.arrays if name.startswith("metamers"))
    (other,) = result.labels["other"]
    with paper(venue):
        across = width(venue)
        heights = [0.19 * across + 0.95, 0.095 * across + 0.45][: 1 + bool(metamers)]
        figure = Figure(figsize=(across, sum(heights)))
        axes = figure.subplots(len(heights), 2, squeeze=False, height_ratios=heights)
        for ax, way, a, b in zip(axes[0], ("z", "other"), ("z", other), (other, "z"), strict=True):
            _pairs(result, way, f"same to {a}, not to {b}\ncosine of z, of {other}", ax)
        for ax in axes[1:].flat:
            ax.set_axis_off()
        for ax, name in zip(axes[1:].flat, metamers, strict=False):
            ax.set_axis_on()
            grid(result.arrays[name], column_labels=result.labels[name], ax=ax)
            ax.set_title("decodes of one z, cosine to it")
    return figure


def _pairs(result: Result, way: str, title: str, ax: Axes) -> None:
    """Each pair a column."""
    ax.set_title(title, **AS_WRITTEN)
    images = result.arrays[f"same to {way}"]
    cosines = [(row["cosine"], row["other cosine"]) for row in result.table if row["same to"] == way]
    if not cosines:
        ax.set_axis_off()
        ax.text(0.5, 0.5, "no such pair", ha="center", transform=ax.transAxes)
        return
    ordered = [pair if way == "z" else pair[::-1] for pair in cosines]
    grid(images.swapaxes(0, 1), column_labels=[f"{of_z:.2f}\n{of_other:.2f}" for of_z, of_other in ordered], ax=ax)
