"""One figure per analysis: ``draw(result, *, venue) -> Figure``, from data alone. No model is loaded, nothing computed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from clipspace.analyses import ANALYSES
from clipspace.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from clipspace.results.result import Result


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """The figure of a result, as wide as the text of ``venue``. Raises `InputError` for an unknown analysis."""
    if result.name not in ANALYSES:
        raise InputError(f"draw: expected the result of one of {list(ANALYSES)}, got {result.name!r}")
    return import_module(f"clipspace.figures.{result.name}").draw(result, venue=venue)
