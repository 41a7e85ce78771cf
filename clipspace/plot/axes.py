"""Where a drawing function draws when it is not told."""

from __future__ import annotations

from matplotlib.axes import Axes


def axes_of(ax: Axes | None) -> Axes:
    """``ax``, or the only Axes of a new figure. No global figure is made, so nothing stays open."""
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    return Figure().subplots()
