"""The figure of `clipspace.analyses.binding`: a pair of each kind, its scores beside chance, what decodes do."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clipspace.plot import COLORS, grid, intervals, paper, width
from clipspace.results.result import Result

_SCORES = {"text": "o", "image": "s", "group": "D", "two-way": "^"}
_OUTCOMES = {"decoded: kept": "o", "decoded: swapped": "X", "decoded: lost": "v", "true image: kept": "|"}


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """One row per kind: two pictures; four scores, chance a grey tick; how decodes end, where there are any."""
    kinds, across = result.labels["kinds"], width(venue)
    rows = {(row["kind"], row["score"]): row for row in result.table}
    decoded = any((kind, "decoded: kept") in rows for kind in kinds)
    with paper(venue):
        figure = Figure(figsize=(across, 0.6 * len(kinds) + 0.9))
        left, *rest = figure.subplots(1, 2 + decoded, width_ratios=[1.3, 2, *[1.3] * decoded])
        grid(result.arrays["examples"], row_labels=kinds, ax=left).set_anchor("E")
        series = ((_SCORES, COLORS, "told apart"), (_OUTCOMES, COLORS[4:], "decodes"))
        for ax, (scores, colors, title) in zip(rest, series, strict=False):
            _dots(rows, kinds, scores, colors, ax)
            ax.set(title=title, xlim=(-0.04, 1.04), xlabel="share; chance is grey" if scores is _SCORES else "share")
            for border in range(1, len(kinds)):
                ax.axhline(border - 0.5, color="0.85", linewidth=0.6)
        handles = [ax.get_legend_handles_labels()[0] for ax in rest]
        both = [handle for column in zip(*handles, strict=True) for handle in column]  # a legend fills columns first
        figure.legend(handles=both, loc="outside lower center", ncols=4, handletextpad=0.2, columnspacing=1.2)
    return figure


def _dots(rows: dict, kinds: list[str], scores: dict[str, str], colors: tuple[str, ...], ax: Axes) -> None:
    """One series of dots for each score, one under the other in the row of a kind."""
    for i, (score, marker) in enumerate(scores.items()):
        found = [rows.get((kind, score), {}) for kind in kinds]
        series = {name: [row.get(name) for row in found] for name in ("low", "high", "chance")}
        style = {"color": colors[i % len(colors)], "marker": marker, "size": 5, "offset": 0.19 * (i - 1.5)}
        values = [row.get("value") for row in found]
        intervals([""] * len(kinds), values, **series, **style, height=0.17, label=score, ax=ax)
