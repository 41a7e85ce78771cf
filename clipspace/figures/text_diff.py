"""The figure of `clipspace.analyses.text_diff`: an image in each row, moved further towards its text in each column."""

from __future__ import annotations

from matplotlib.figure import Figure

from clipspace.plot import grid, page, paper, trim
from clipspace.results.result import Result


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """One row per image, what the edit changes at its left, and how far it went over each column.

    On scenes the right says what readers that know no CLIP read off the last image, and whether that is the edit and
    nothing else; in other images, the cosine of the last to the new text and to the old.
    """
    images, labels = result.arrays["images"], result.labels
    names = {"row_labels": labels["rows"], "column_labels": labels["columns"], "right_labels": _right(result)}
    with paper(venue):
        figure = page(venue)
        ax = grid(images, **names, wrap=14, ax=figure.subplots())
        ax.set_title("fraction of the angle, θ")
        return trim(figure)


def _right(result: Result) -> list[str]:
    if any(result.labels.get("read", ())):
        return [f"read:\n{read}" if read else "" for read in result.labels.get("read", ())]
    return [_cosines(row) for row in result.table]


def _cosines(row: dict) -> str:
    new, old = row["cosine to after, last"], row["cosine to before, last"]
    return f"cosine {new:.2f}" + ("" if old is None else f"\n(old text {old:.2f})")
