"""The figure of `clipspace.analyses.guidance`: the same embeddings and noise, guided more in every row."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from clipspace.plot import grid, page, paper, trim
from clipspace.results.result import Result

_SHOWN = 9


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """One row per scale; a break between the draws of one embedding and of the next.

    At the left the mean cosine to z, in brackets that to the z of others, and the diversity.
    """
    images, image = result.arrays["images"][:, :_SHOWN], result.arrays["image"][:_SHOWN]
    breaks = (np.flatnonzero(np.diff(image)) + 1).tolist()
    labels = [
        f"scale {row['guidance scale']:g}\ncosine {row['cycle cosine']:.2f} ({row['cosine to others']:.2f})\n"
        f"diversity {row['diversity']:.2f}"
        for row in result.table
    ]
    with paper(venue):
        figure = page(venue)
        grid(images, row_labels=labels, breaks=breaks, ax=figure.subplots())
        return trim(figure)
