"""The figure of `clipspace.analyses.typographic_attack`: what CLIP reads off images with a word on them, and off decodes."""

from __future__ import annotations

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clipspace.plot import COLORS, grid, intervals, page, paper, trim
from clipspace.results.result import Result

_CAPTION = 7
"""Points of what is read below each image: the names of things fit their cell."""
_KINDS = {"word": (COLORS[1], "o"), "thing": (COLORS[0], "s")}


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """Above the first images and a decode of each, what CLIP reads below; under them the shares of all, with intervals."""
    images, labels = result.arrays["images"], result.labels
    rows, columns = images.shape[:2]
    said = [labels["said"][i * columns : (i + 1) * columns] for i in range(rows)]
    cards = [card for row in result.table if row["seen"] == "image" for card in (row["card"], "decode")]
    with paper(venue), rc_context({"xtick.labelsize": _CAPTION}):
        figure = page(venue)
        above, below = figure.subplots(2, 1, height_ratios=[1.22 * rows, 0.42 * len(result.table)])
        grid(images, row_labels=labels["rows"], column_labels=cards, captions=said, breaks=[2, 4], wrap=10, ax=above)
        _shares(result, below)
        return trim(figure)


def _shares(result: Result, ax: Axes) -> None:
    """One line for each card, of images and of decodes, with how many; a tick is chance, and the blank card the control."""
    names = [f"{row['card']}{', decoded' if row['seen'] == 'decode' else ''} ({row['images']})" for row in result.table]
    for k, (what, (color, marker)) in enumerate(_KINDS.items()):
        columns = {end: result.column(f"{what} {end}") for end in ("low", "high")}
        values, chance = result.column(f"read as the {what}"), result.column("chance")
        style = {
            "color": color,
            "marker": marker,
            "offset": 0.36 * k - 0.18,
            "height": 0.34,
            "label": f"read as the {what}",
        }
        intervals(names, values, **columns, chance=chance, **style, ax=ax)
    ax.set(xlim=(-0.03, 1.03), xlabel="share of images (their number in brackets); chance is grey")
    ax.legend(loc="center", ncols=2, bbox_to_anchor=(0.5, -0.42))
