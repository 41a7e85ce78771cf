"""The questions clipspace asks of a space: one module each, whose ``run(space, ..., *, seed)`` answers with a `Result`.

A module's docstring says, paragraph by paragraph: the question; the figure or paper it follows; what to look for;
what would be a surprise. Nothing here draws: `clipspace.figures` has a module of the same name for that.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from clipspace.errors import InputError

ANALYSES = (
    "variations",
    "interpolation",
    "text_diff",
    "pca_reconstruction",
    "typographic_attack",
    "prior_ablation",
    "guidance",
    "binding",
    "retention",
    "spectrum",
    "modality_gap",
    "neighbours",
    "map",
    "blind_pairs",
    "inversion",
    "decoder_agreement",
)  # fmt: skip
"""In the order of a report."""


def analysis(name: str) -> ModuleType:
    """The module that answers the question ``name``. Raises `InputError` for a name that is not in `ANALYSES`."""
    if name not in ANALYSES:
        raise InputError(f"analysis: expected one of {list(ANALYSES)}, got {name!r}")
    return import_module(f"clipspace.analyses.{name}")


def question(name: str) -> tuple[str, list[str]]:
    """The question of an analysis, and the paragraphs that say what to look for."""
    paragraphs = [" ".join(p.split()) for p in (analysis(name).__doc__ or "").strip().split("\n\n")]
    return paragraphs[0], paragraphs[1:]
