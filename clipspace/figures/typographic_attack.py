"""The figure of `clipspace.analyses.typographic_attack`: what CLIP reads off a picture, and off a decode of it."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from clipspace.plot import grid, page, paper, probabilities, trim
from clipspace.results import Result


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """One row per card: the picture with its probabilities, then one decode with those of all decodes."""
    images, words = result.arrays["images"], result.labels["words"]
    names = [[thing, *words] for thing in result.column("thing")]
    with paper(venue):
        figure = page(venue)
        axes = figure.subplots(1, 4, width_ratios=[1, 2, 1, 2])
        for view, column, head in (("", 0, "picture"), ("decoded ", 1, "decode")):
            left, right = axes[2 * column : 2 * column + 2]
            cards = None if column else result.column("card")
            grid(images[:, column : column + 1], row_labels=cards, column_labels=[head], wrap=10, ax=left)
            values = [result.column(f"{view}P({name})") for name in ("thing", *words)]
            probabilities(np.stack(values, axis=1), names, cells=2, ax=right)
        return trim(figure)
