"""Drawing: functions that take arrays and ``ax=None`` and return the Axes. They compute nothing, show and save nothing.

The only user of matplotlib. Everything is drawn inside `paper`, which sets the style of a venue and leaves no trace.
"""

from clipspace.plot.curves import curves
from clipspace.plot.grid import grid
from clipspace.plot.heatmap import heatmap
from clipspace.plot.histogram import histogram
from clipspace.plot.intervals import intervals
from clipspace.plot.ladder import ladder
from clipspace.plot.pages import page, trim
from clipspace.plot.pairs import pairs
from clipspace.plot.probabilities import probabilities
from clipspace.plot.saving import save_figure
from clipspace.plot.scatter import scatter
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
    "pairs",
    "paper",
    "probabilities",
    "save_figure",
    "scatter",
    "trim",
    "width",
]
