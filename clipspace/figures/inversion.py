"""The figure of `clipspace.analyses.inversion`: error against network evaluations, and the pictures."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clipspace.plot import curves, grid, paper, width
from clipspace.results.result import Result

_SAME = 99


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """Left PSNR, a band from the worst picture to the best, dotted what the decoder could; right the pictures.

    Pictures have a column for each way and number of steps, and their errors below them.
    """
    with paper(venue):
        across = width(venue)
        figure = Figure(figsize=(across, 0.4 * across))
        left, right = figure.subplots(1, 2, width_ratios=[1, 1.75])
        _quality(result, left)
        labels = {f"{way}_labels": result.labels[f"{way}s"] for way in ("row", "column")}
        grid(result.arrays["images"], **labels, ax=right)
    return figure


def _quality(result: Result, ax: Axes) -> None:
    """One line for each way, its points named by their number of steps."""
    methods = {row["method"]: [] for row in result.table}
    for row in result.table:
        methods[row["method"]].append(row)
    columns = {
        key: {name: [row[key] for row in rows] for name, rows in methods.items()} for key in result.table.rows[0]
    }
    bands = {name: (columns["worst"][name], columns["best"][name]) for name in methods}
    ax.set(xscale="log", xlabel="network evaluations (at points: steps)", ylabel="PSNR in dB", ylim=(0, 112))
    ax.margins(x=0.12)
    curves(columns["evaluations"], columns["PSNR"], bands=bands, marker="o", ax=ax)
    ax.axhline(result.table.rows[0]["autoencoder alone"], color="0.55", linestyle=":", linewidth=1, zorder=0)
    for rows in methods.values():
        for i, row in enumerate(rows):  # above and below in turn: an exact way's points lie close
            rise, side = (-5, "top") if i % 2 else (5, "bottom")
            place = {"xytext": (0, rise), "textcoords": "offset points", "ha": "center", "va": side, "size": "small"}
            ax.annotate(row["steps"], (row["evaluations"], row["PSNR"]), **place)
    ax.set_yticks([0, 20, 40, 60, 80, _SAME], [0, 20, 40, 60, 80, "same"])
    ax.set_xticks(columns["steps"]["DDIM"], columns["steps"]["DDIM"])
    ax.minorticks_off()
