"""The figure of `clipspace.analyses.interpolation`: the path through keyframes, once for each kind of noise."""

from __future__ import annotations

from matplotlib.figure import Figure

from clipspace.plot import grid, page, paper, trim
from clipspace.results.result import Result


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """One row per noise, one column per place on the path; a keyframe stands at every whole number."""
    images, labels = result.arrays["images"], result.labels
    with paper(venue):
        figure = page(venue)
        ax = grid(images, row_labels=labels["rows"], column_labels=labels["columns"], wrap=9, ax=figure.subplots())
        ax.set_ylabel("noise")
        return trim(figure)
