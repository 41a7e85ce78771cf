"""The figure of `clipspace.analyses.variations`: a picture, its reconstruction, and draws of its embedding."""

from __future__ import annotations

from matplotlib.figure import Figure

from clipspace.plot import grid, page, paper, trim
from clipspace.results.result import Result


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """One row per image, at its left the mean cosine of its draws to z and, in brackets, to the z of others."""
    both = zip(result.column("cosine to z"), result.column("cosine to others"), strict=True)
    labels = [f"{cosine:.2f}\n({other:.2f})" for cosine, other in both]
    with paper(venue):
        figure = page(venue)
        columns = result.labels["columns"]
        ax = grid(result.arrays["images"], row_labels=labels, column_labels=columns, ax=figure.subplots())
        ax.set_ylabel("mean cosine to z (to others)")
        return trim(figure)
