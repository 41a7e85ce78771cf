"""The questions clipspace asks of a space: one module each, which computes a `Result` and draws it.

A module holds ``run(space, ..., *, seed)``, which answers with a `Result` and needs no matplotlib; ``draw(result, *, venue)``,
which makes the figure of a saved result and needs no model; ``caption(result)``, the text below that figure; and an entry
`Analysis`, which is all that reports, commands and tests know of it. Its docstring says, paragraph by paragraph: the question;
the figure or paper it follows; what to look for; what would contradict expectation.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from clipspace.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from clipspace.results.result import Result


class Cost(NamedTuple):
    """What an analysis takes with its usual options: numbers by which a report guesses how long it will take.

    Parameters
    ----------
    steps : evaluations of the decoder, of one image each; those of an inversion by the time that they take
    images : encoded images
    seconds : of all else, on one core of the machine they were measured on
    """

    steps: int
    images: int
    seconds: float


@dataclass(frozen=True, eq=False)
class Analysis:
    """The entry of an analysis in the list of analyses. A module that has one, named ``ANALYSIS``, is an analysis.

    Parameters
    ----------
    order : place among the sections of a report, rising
    title : heading of its section
    takes : the inputs that it takes of a user's images and store, as `clipspace.analyses.asking` names them
    scenes : the scenes it is computed on without images and store, a template that the options of its result fill in
    options : help text of each option of ``run``, besides ``seed`` and ``num_inference_steps``
    quick : options with which it takes seconds
    rows : default number of images that are rows of its figure, where the option ``n`` sets it; None for the usual number
    read : sentence about what zero-shot reads off an image where the user gives no texts
    demo : whether ``clipspace demo`` shows it
    cost : what it takes with its usual options; None where it was not measured
    """

    order: int
    title: str
    takes: tuple[str, ...]
    scenes: str
    options: Mapping[str, str] = field(default_factory=dict)
    quick: Mapping[str, Any] = field(default_factory=dict)
    rows: int | None = None
    read: str = ""
    demo: bool = False
    cost: Cost | None = None


@cache
def names() -> tuple[str, ...]:
    """All analyses, in the order of a report: the modules of this package that have an `Analysis`."""
    modules = {info.name: import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__)}
    analysis_names = [name for name, module in modules.items() if hasattr(module, "ANALYSIS")]
    return tuple(sorted(analysis_names, key=lambda name: modules[name].ANALYSIS.order))


def analysis(name: str) -> ModuleType:
    """The module that answers the question ``name``. Raises `InputError` for a name that no analysis has."""
    if name in {info.name for info in pkgutil.iter_modules(__path__)}:
        module = import_module(f"{__name__}.{name}")
        if hasattr(module, "ANALYSIS"):
            return module
    raise InputError(f"analysis: expected one of {list(names())}, got {name!r}")


def about(name: str) -> Analysis:
    """The entry of the analysis ``name`` in the list of analyses."""
    return analysis(name).ANALYSIS


def question(name: str) -> tuple[str, list[str]]:
    """The question of an analysis, and the paragraphs that say what to look for."""
    paragraphs = [" ".join(p.split()) for p in (analysis(name).__doc__ or "").strip().split("\n\n")]
    return paragraphs[0], paragraphs[1:]


def caption(result: Result) -> str:
    """The caption of a result's figure: what is drawn and in what units, chance levels, intervals and sample sizes.

    Raises `InputError` for the result of no analysis.
    """
    return " ".join(_of(result, "caption").caption(result).split()).replace(" ,", ",").replace(" .", ".")


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """The figure of a result, as wide as the text of ``venue``. Raises `InputError` for the result of no analysis."""
    return _of(result, "draw").draw(result, venue=venue)


def _of(result: Result, doing: str) -> ModuleType:
    """The module of the analysis that a result is of."""
    if result.name not in names():
        raise InputError(f"{doing}: expected the result of one of {list(names())}, got {result.name!r}")
    return analysis(result.name)
