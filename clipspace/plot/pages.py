"""Figures as wide as a venue's text and as high as their content."""

from __future__ import annotations

from matplotlib.figure import Figure

from clipspace.plot.style import width

_PAD = 0.05
"""Margin above and below, in inches: just more than the layout's own 3 points, so that images keep their size."""
_CLOSE = 0.02


def page(venue: str) -> Figure:
    """An empty figure as wide as the text of ``venue`` and half as high again; `trim` removes unused height."""
    across = width(venue)
    return Figure(figsize=(across, 1.5 * across), layout="compressed")


def trim(figure: Figure) -> Figure:
    """``figure`` cut to the height of its content; its width stays. Its layout is "compressed", as that of a `page`.

    How much room labels take is known only once they are laid out; a grid then leaves the rest of its height empty.
    """
    for _ in range(8):  # less height is another layout, which may leave some of it empty again
        figure.draw_without_rendering()
        height = figure.get_tightbbox().height + 2 * _PAD
        spare = figure.get_figheight() - height
        figure.set_figheight(height)
        if abs(spare) < _CLOSE:
            break
    return figure
