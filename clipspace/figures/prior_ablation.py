"""The figure of `clipspace.analyses.prior_ablation`: a text in each column, what the decoder is told in each row."""

from __future__ import annotations

from matplotlib.figure import Figure

from clipspace.plot import grid, page, paper, trim
from clipspace.results.result import Result

_SHOWN = 6


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """The first texts over their columns, the conditions left of their rows."""
    images, labels = result.arrays["images"][:, :_SHOWN], result.labels
    with paper(venue):
        figure = page(venue)
        grid(images, row_labels=labels["rows"], column_labels=labels["columns"][:_SHOWN], wrap=11, ax=figure.subplots())
        return trim(figure)
