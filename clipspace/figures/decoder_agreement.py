"""The figure of `clipspace.analyses.decoder_agreement`: one z drawn by several decoders, and how alike that is."""

from __future__ import annotations

from matplotlib.figure import Figure

from clipspace.plot import grid, heatmap, paper, width
from clipspace.results import Result


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """Left a column for each picture; right the mean cosine of z and of what each decoder makes of it."""
    images, names = result.arrays["images"].swapaxes(0, 1), result.labels["names"]
    rows, columns = images.shape[:2]
    with paper(venue):
        across = width(venue)
        figure = Figure(figsize=(across, 0.56 * across * min(rows / columns, 1) + 0.1))
        left, right = figure.subplots(1, 2, width_ratios=[1.5, 1])
        grid(images, row_labels=["source", *names[1:]], ax=left)
        heatmap(result.arrays["cosines"], row_labels=names, column_labels=names, ax=right)
        right.set_xlabel("mean cosine")
    return figure
