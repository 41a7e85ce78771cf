"""The height of a figure whose width a venue fixes and whose pictures keep their aspect."""

from __future__ import annotations

from matplotlib.figure import Figure

_PAD = 0.05
"""Inches above and below: just more than the 3 points that the layout keeps free, or pictures would shrink."""
_CLOSE = 0.02


def trim(figure: Figure) -> Figure:
    """``figure`` as high as what is on it; its width stays. Give it height to spare first, and ``layout="compressed"``.

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
