"""The figure of `clipspace.analyses.map`: every image a point, some of them as pictures."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from clipspace.plot import paper, scatter, width
from clipspace.plot.axes import AS_WRITTEN
from clipspace.results.result import Result


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """An image wherever there is room for one; beside it, where a column is known, every point in its colour."""
    arrays, labels = result.arrays, result.labels
    wide, high = np.ptp(arrays["coordinates"], axis=0)
    column = labels["values"] or arrays.get("numbers")
    panels = 1 + (column is not None and len(column) > 0)
    with paper(venue):
        across = width(venue)
        figure = Figure(figsize=(across, across * np.clip(0.9 / panels * high / wide, 0.3, 0.8)))
        left, *right = figure.subplots(1, panels, squeeze=False)[0]
        pictures = {"thumbnails": arrays["thumbnails"], "rows": arrays["rows"]} if len(arrays["rows"]) else {}
        scatter(arrays["coordinates"], color="0.8", **pictures, ax=left)
        for ax in right:
            scatter(arrays["coordinates"], column=column, ax=ax)
            ax.set_title(labels["colored by"][0], **AS_WRITTEN)
    return figure
