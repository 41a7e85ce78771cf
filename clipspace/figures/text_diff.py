"""The figure of `clipspace.analyses.text_diff`: a picture in each row, moved further towards its text in each column."""

from __future__ import annotations

from matplotlib.figure import Figure

from clipspace.plot import grid, page, paper, trim
from clipspace.results import Result


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """One row per picture, what the edit changes at its left, and how far it went over each column."""
    images, labels = result.arrays["images"], result.labels
    with paper(venue):
        figure = page(venue)
        ax = grid(images, row_labels=labels["rows"], column_labels=labels["columns"], wrap=16, ax=figure.subplots())
        ax.set_title("fraction of the angle, θ")
        return trim(figure)
