"""Drawing: functions that take arrays and ``ax=None`` and return the Axes. They compute nothing, show and save nothing.

The only user of matplotlib. Everything is drawn inside `paper`, which sets the style of a venue and leaves no trace.
"""

from clipspace.plot.errorbars import intervals
from clipspace.plot.grids import grid
from clipspace.plot.heatmaps import heatmap
from clipspace.plot.histograms import histogram
from clipspace.plot.image_pairs import pair_columns, pairs
from clipspace.plot.ladders import ladder
from clipspace.plot.lines import curves
from clipspace.plot.pages import page, trim
from clipspace.plot.probability_bars import probabilities
from clipspace.plot.saving import save_figure
from clipspace.plot.scatters import scatter
from clipspace.plot.style import COLORS, VENUES, paper, width

__all__ = [
    "COLORS",
    "VENUES",
    "curves",
    "grid",
    "heatmap",
    "histogram",
    "intervals",
    "ladder",
    "page",
    "pair_columns",
    "pairs",
    "paper",
    "probabilities",
    "save_figure",
    "scatter",
    "trim",
    "width",
]
