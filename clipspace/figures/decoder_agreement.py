"""The figure of `clipspace.analyses.decoder_agreement`: one z drawn by several decoders, and how alike that is."""

from __future__ import annotations

from matplotlib.figure import Figure

from clipspace.plot import grid, intervals, paper, width
from clipspace.results.result import Result


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """Left a column for each image; right the mean cosines with their intervals, beside those of unlike images in grey."""
    images, names = result.arrays["images"].swapaxes(0, 1), result.labels["names"]
    rows, columns = images.shape[:2]
    with paper(venue):
        across = width(venue)
        figure = Figure(figsize=(across, 0.56 * across * min(rows / columns, 1) + 0.1))
        left, right = figure.subplots(1, 2, width_ratios=[1.5, 1])
        grid(images, row_labels=["source", *names[1:]], ax=left)
        pairs = [row["score"].replace("cycle: ", "z and ") for row in result.table]
        columns = {name: result.column(name) for name in ("low", "high", "chance")}
        intervals([pair.replace(" and ", "\nand ") for pair in pairs], result.column("value"), **columns, ax=right)
        right.set(xlim=(min(0, *columns["chance"]), 1.03), xlabel="cosine of the same image;\ngrey: of another")
    return figure
