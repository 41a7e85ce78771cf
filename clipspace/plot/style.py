"""The paper style: exact text widths of venues, fonts a PDF embeds, colours that everyone can tell apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cycler import cycler
from matplotlib.style import context

from clipspace.errors import InputError


@dataclass(frozen=True)
class Venue:
    """Width of the text, and of one column where there are two, in inches; size of its font in points."""

    text: float
    column: float
    font: float


VENUES: dict[str, Venue] = {
    "neurips": Venue(5.5, 5.5, 9),
    "iclr": Venue(5.5, 5.5, 9),
    "icml": Venue(6.75, 3.25, 8),
    "cvpr": Venue(6.875, 3.25, 8),
    "eccv": Venue(4.8, 4.8, 8),
    "tmlr": Venue(6.5, 6.5, 9),
}
"""Text widths and font sizes of venues, from their style files as tueplots lists them."""
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette (2008), told apart by all common kinds of colour vision."""


def width(venue: str, *, columns: int = 2) -> float:
    """Inches across ``columns`` of a venue: 1 for one column of a two-column page, else the whole text."""
    text_width = _venue(venue)
    return text_width.column if columns == 1 else text_width.text


@contextmanager
def paper(venue: str = "neurips") -> Iterator[None]:
    """The style of a venue, inside the block only, on matplotlib's defaults: a user's own settings do not show."""
    size = _venue(venue).font
    settings = {
        "pdf.fonttype": 42,
        "ps.fonttype": 42,
        "svg.fonttype": "none",
        "text.usetex": False,
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": size,
        "axes.titlesize": size,
        "axes.labelsize": size,
        "xtick.labelsize": size - 1,
        "ytick.labelsize": size - 1,
        "legend.fontsize": size - 1,
        "legend.frameon": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.6,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "lines.linewidth": 1.2,
        "axes.prop_cycle": cycler(color=COLORS),
        "savefig.dpi": 300,
        "figure.dpi": 150,
        "figure.constrained_layout.use": True,
    }
    with context(["default", settings]):
        yield


def _venue(name: str) -> Venue:
    if name not in VENUES:
        raise InputError(f"paper: expected one of the venues {list(VENUES)}, got {name!r}")
    return VENUES[name]
