"""The figure of `clipspace.analyses.variations`: a picture, its reconstruction, and draws of its embedding."""

from __future__ import annotations

from matplotlib.figure import Figure

from clipspace.plot import grid, page, paper, trim
from clipspace.results import Result


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """One row per picture, the mean cosine of its draws to z at its left."""
    labels = [f"{cosine:.2f}" for cosine in result.column("cosine to z")]
    with paper(venue):
        figure = page(venue)
        columns = result.labels["columns"]
        ax = grid(result.arrays["images"], row_labels=labels, column_labels=columns, ax=figure.subplots())
        ax.set_ylabel("mean cosine to z")
        return trim(figure)
