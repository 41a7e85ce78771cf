"""The figure of `clipspace.analyses.retention`: factors from kept to ignored, and what the decoder brings back."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from clipspace.plot import COLORS, grid, intervals, paper, width
from clipspace.results.result import Result

_SAID = {"always": COLORS[0], "sometimes": COLORS[5], "never": COLORS[4]}
_LEFT = -0.2
"""Where marks of skills far below chance are drawn."""
_PARTS = {"linear": "o", "neighbours": "^", "sensitivity": "D"}


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """Pictures of each factor; how much of it z keeps; recovery beside the cycle, where there is a decoder."""
    names, across = result.labels["factors"], width(venue)
    decoded = any(value is not None for value in result.column("recovery"))
    with paper(venue):
        figure = Figure(figsize=(across, 0.25 * len(names) + 1.1))
        left, middle, *right = figure.subplots(1, 2 + decoded, width_ratios=[0.6, 2.4, *[1.2] * decoded])
        grid(result.arrays["examples"], row_labels=names, ax=left).set_anchor("E")
        _kept(result, middle)
        for ax in right:
            _brought_back(result, ax)
        figure.legend(
            handles=_legend(result, [middle, *right]),
            loc="outside lower center",
            ncols=4,
            handlelength=1.2,
            columnspacing=1.2,
        )
    return figure


def _kept(result: Result, ax: Axes) -> None:
    """The score as a bar, its parts as small marks, and the score of random weights."""
    none = [""] * len(result.table)
    low, high = result.column("retention low"), result.column("retention high")
    said = [_SAID.get(how, COLORS[5]) for how in result.column("captions")]
    intervals(none, result.column("retention"), low=low, high=high, color=said, bars=True, ax=ax)
    for part, marker in _PARTS.items():
        shown = [None if value is None else max(value, _LEFT) for value in result.column(part)]
        intervals(none, shown, marker=marker, size=4, color="0.15", label=part, ax=ax)
    intervals(none, result.column("untrained"), marker="|", size=9, color=COLORS[1], label="random weights", ax=ax)
    ax.axvline(0, color="0.15", linewidth=0.6)
    ax.set(title="kept in z", xlabel="bar: mean of the three marks")


def _brought_back(result: Result, ax: Axes) -> None:
    """What readers find in decodes, beside what a linear map finds in E(D(z))."""
    none = [""] * len(result.table)
    for name, marker, color, offset in (("recovery", "s", COLORS[2], -0.17), ("cycle", "o", COLORS[3], 0.17)):
        low, high = result.column(f"{name} low"), result.column(f"{name} high")
        series = {"low": low, "high": high, "marker": marker, "color": color, "label": name, "offset": offset}
        intervals(none, result.column(name), size=4.5, **series, ax=ax)
    ax.axvline(0, color="0.15", linewidth=0.6)
    ax.grid(axis="y", color="0.9", linewidth=0.6)
    ax.set(title="brought back", xlabel="skill; 0 is chance", xlim=(max(3 * _LEFT, ax.get_xlim()[0]), 1.1))


def _legend(result: Result, axes: list[Axes]) -> list:
    """What captions say of the factors that are there, then every mark."""
    said = result.column("captions")
    patches = [Patch(color=color, label=f"captions {how} say it") for how, color in _SAID.items() if how in said]
    return patches + [handle for ax in axes for handle in ax.get_legend_handles_labels()[0]]
