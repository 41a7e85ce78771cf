"""The default Axes of drawing functions, and legends whose labels are written as they are."""

from __future__ import annotations

from collections.abc import Iterable

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.legend import Legend

AS_WRITTEN = {"parse_math": False}
"""Options of every text that a user named: "$" begins no formula. Numbers on an axis may need formulas (powers of ten)."""


def axes_of(ax: Axes | None) -> Axes:
    """``ax``, or the only Axes of a new figure. No global figure is made, so nothing stays open."""
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    return Figure().subplots()


def legend(ax: Axes, handles: Iterable[Artist], **options) -> Legend:
    """A legend of ``handles`` under their labels as they are; matplotlib would leave out those that begin with "_"."""
    listed = list(handles)
    the_legend = ax.legend(listed, [handle.get_label() for handle in listed], **options)
    for text in the_legend.get_texts():
        text.update(AS_WRITTEN)
    return the_legend
