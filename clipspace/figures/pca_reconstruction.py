"""The figure of `clipspace.analyses.pca_reconstruction`: the ladder of each picture, and what each step holds."""

from __future__ import annotations

from matplotlib.figure import Figure

from clipspace.plot import grid, ladder, page, paper, trim
from clipspace.results.result import Result


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """Pictures over the curves of their step: the columns are the same."""
    images = result.arrays["images"]
    counts, *curves = result.table.rows[0]
    with paper(venue):
        figure = page(venue)
        above, below = figure.subplots(2, 1, height_ratios=[len(images), 2.5])
        grid(images, column_labels=result.labels["columns"], ax=above)
        ladder(result.column(counts), {name: result.column(name) for name in curves}, ax=below)
        below.set_xlim(above.get_xlim())
        return trim(figure)
