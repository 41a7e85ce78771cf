"""Drawing: functions that take arrays and ``ax=None`` and return the Axes. They compute nothing, show and save nothing.

The only user of matplotlib. Everything is drawn inside `paper`, which sets the style of a venue and leaves no trace.
"""

from clipspace.plot.columns import cells_for, number_columns
from clipspace.plot.errorbars import intervals
from clipspace.plot.grids import grid, span
from clipspace.plot.group_names import name_groups
from clipspace.plot.heatmaps import heatmap
from clipspace.plot.histograms import histogram
from clipspace.plot.image_pairs import pair_columns, pair_cosines, pairs
from clipspace.plot.ladders import ladder
from clipspace.plot.lines import curves
from clipspace.plot.pages import page, trim
from clipspace.plot.probability_bars import probabilities
from clipspace.plot.saving import save_figure
from clipspace.plot.scatters import scatter
from clipspace.plot.style import COLORS, VENUES, paper, width
from clipspace.plot.writing import estimate, number, spelt

__all__ = [
    "COLORS",
    "VENUES",
    "cells_for",
    "curves",
    "estimate",
    "grid",
    "heatmap",
    "histogram",
    "intervals",
    "ladder",
    "name_groups",
    "number",
    "number_columns",
    "page",
    "pair_columns",
    "pair_cosines",
    "pairs",
    "paper",
    "probabilities",
    "save_figure",
    "scatter",
    "span",
    "spelt",
    "trim",
    "width",
]
