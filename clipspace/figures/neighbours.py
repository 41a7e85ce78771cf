"""The figure of `clipspace.analyses.neighbours`: what an edit makes of a picture, drawn and looked up."""

from __future__ import annotations

from matplotlib.figure import Figure

from clipspace.plot import grid, page, pairs, paper, trim
from clipspace.results.result import Result


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """One row per picture: the picture, the decodes before and after, and the neighbours, each over its cosine."""
    arrays = result.arrays
    sources, decodes, near = arrays["sources"], arrays["decodes"], arrays["neighbours"]
    n, k = near.shape[:2]
    cosines = {
        which: [f"{row['cosine']:.2f}" for row in result.table if row["of"] == which] for which in ("z", "edited z")
    }
    rows = [cosines["edited z"][i * (k + 1) : (i + 1) * (k + 1)] for i in range(n)]
    drawn = [[cosines["z"][i * (k + 1)], rows[i][0]] for i in range(n)]
    with paper(venue):
        figure = page(venue)
        axes = figure.subplots(1, 3, width_ratios=[1, 2.5, k])
        edits = result.labels["edits"]
        grid(sources[:, None], row_labels=edits, column_labels=["picture"], captions=[[""]] * n, wrap=9, ax=axes[0])
        pairs(decodes[:, 0], decodes[:, 1], labels=("decode", "edited"), captions=drawn, ax=axes[1])
        ranks = [str(rank + 1) for rank in range(k)]
        grid(near, column_labels=ranks, captions=[row[1:] for row in rows], ax=axes[2]).set_title("nearest neighbours")
        return trim(figure)
