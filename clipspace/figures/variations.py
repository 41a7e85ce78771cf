"""The figure of `clipspace.analyses.variations`: a picture, its reconstruction, and draws of its embedding."""

from __future__ import annotations

from matplotlib.figure import Figure

from clipspace.plot import grid, paper, width
from clipspace.results import Result


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """One row per picture, the mean cosine of its draws to z at its left."""
    images = result.arrays["images"]
    rows, columns = images.shape[:2]
    with paper(venue):
        across = width(venue)
        figure = Figure(figsize=(across, across * (rows + 0.4) / (columns + 0.8)))
        labels = [f"{cosine:.2f}" for cosine in result.column("cosine to z")]
        ax = grid(images, row_labels=labels, column_labels=result.labels["columns"], ax=figure.subplots())
        ax.set_ylabel("mean cosine to z")
    return figure
