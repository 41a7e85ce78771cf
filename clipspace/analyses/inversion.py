"""What does it cost to find the noise that reproduces an image?

DALL-E 2 (arXiv 2204.06125, section 3) finds x_T by the DDIM inversion of appendix F of Dhariwal & Nichol 2021 (arXiv
2105.05233), which evaluates the network at the wrong point of every step. Solving each step as a fixed point corrects this
(AIDI, ReNoise, and `diffusion.invert` here).

Look at the error over the number of network evaluations. The error of DDIM falls slowly with the number of steps; the exact
method is as good as the decoder's autoencoder allows from a few steps on. 99 dB stands for identical pixels.

Would contradict expectation: an exact inversion that fails (its residual says so), or a DDIM inversion that is as good for
the same number of evaluations. Then the correction is not worth its cost on this decoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from clipspace import progress
from clipspace.analyses import Analysis, Cost
from clipspace.analyses.examples import pictures
from clipspace.errors import CapabilityError, InputError
from clipspace.points.code import Code
from clipspace.results.pictures import stacked
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.sources.images import SAME, psnr

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from clipspace.space import Space

ANALYSIS = Analysis(
    order=150,
    title="Inversion",
    takes=("rows",),
    scenes="{pictures} rendered scenes",
    rows=2,
    demo=True,
    options={
        "n": "Number of images to invert.",
        "fewest": "Smallest number of sampler steps.",
        "doublings": "Number of times that the number of steps is doubled.",
    },
    quick={"n": 1, "fewest": 16, "doublings": 2},
    cost=Cost(steps=2100, images=2, seconds=0.5),
)

_CLOSE = 0.1
"""Largest distance in dB from the autoencoder's own PSNR that counts as exact."""
NAMES = {"exact": "exact", "ddim": "DDIM"}
_LOUDER = 4
_DOUBLINGS = {"exact": -2, "ddim": 0}
"""Change in the number of doublings, by method: an exact step costs about four evaluations."""


def run(
    space: Space,
    images: Sequence | None = None,
    *,
    n: int = 2,
    fewest: int = 20,
    doublings: int = 3,
    guidance_scale: float | None = None,
    seed: int = 0,
) -> Result:
    """Images inverted both ways and decoded again, at ``fewest`` steps and twice as many, ``doublings`` times.

    The first ``n`` of the user's ``images``, or of the bundled scenes. The exact way stops two doublings earlier, at
    about as many evaluations. ``guidance_scale`` is that of `Space.invert` when None: 1. ``seed`` draws nothing.

    Raises `CapabilityError` for a decoder that optimises pixels.
    """
    if space.decoder is not None and not space.decoder.inverts:
        raise CapabilityError(f"inversion: expected a diffusion decoder, {space.name!r} optimises pixels; load another")
    sources, names = pictures(space, images, "inversion", most=n)
    points = space.encode_images(sources)
    if doublings < 2:
        raise InputError(f"inversion: expected two doublings or more, got {doublings}")
    guidance_scale = space.inversion_guidance_scale if guidance_scale is None else guidance_scale
    tried = [(method, fewest * 2**i) for method, less in _DOUBLINGS.items() for i in range(1 + doublings + less)]
    bounds = _psnr(sources, space.decoder.to_images(space.decoder.to_latents(sources)))
    table, rows = [], []
    for method, steps in progress.track(tried, "inverting", "ways"):
        options = {"num_inference_steps": steps, "guidance_scale": guidance_scale}
        code = space.invert(sources, embeddings=points, method=method, **options)
        back = space.decode(points, noise=code.noise, **options)
        table.append(_row(method, steps, code, _psnr(sources, back), bounds))
        rows.append(back)
    return Result(
        "inversion",
        table,
        _findings(table),
        {"images": _with_errors(stacked([sources, *rows]))},
        {
            "columns": ["source", *(f"{NAMES[method]}\n{steps}" for method, steps in tried)],
            "rows": ["", f"error × {_LOUDER}"] * len(sources),
        },
        provenance(
            "inversion",
            space,
            pictures=names,
            fewest=fewest,
            doublings=doublings,
            num_inference_steps=sorted({steps for _, steps in tried}),
            guidance_scale=guidance_scale,
            seed=seed,
        ),
    )


def _with_errors(columns: np.ndarray) -> np.ndarray:
    """From columns ``(source and ways, n, ...)`` to rows: each image, and below it how far each way is off; white for its source."""
    off = np.abs(columns.astype(int) - columns[0].astype(int)) * _LOUDER
    errors = np.minimum(off, 255).astype(np.uint8)
    errors[0] = 255
    return np.stack([columns, errors], axis=2).reshape(len(columns), -1, *columns.shape[2:]).swapaxes(0, 1)


def _psnr(sources: Sequence[Image.Image], pictures: Sequence[Image.Image]) -> np.ndarray:
    return np.array([psnr(a, b, most=SAME) for a, b in zip(sources, pictures, strict=True)])


def _row(method: str, steps: int, code: Code, scores: np.ndarray, bounds: np.ndarray) -> dict[str, Any]:
    return {
        "method": NAMES[method],
        "steps": steps,
        "evaluations": float(code.evaluations.mean()),
        "PSNR": float(scores.mean()),
        "worst": float(scores.min()),
        "best": float(scores.max()),
        "autoencoder alone": float(bounds.mean()),
        "short of it": float((bounds - scores).max()),
        "residual": float(code.residual.max()) if method == "exact" else None,
        "sd of x_T": float(code.noise.std()),
    }


def _findings(table: list[dict[str, Any]]) -> list[str]:
    exact = [row for row in table if row["method"] == NAMES["exact"]]
    ddim = [row for row in table if row["method"] == NAMES["ddim"]]
    best, top = max(ddim, key=lambda row: row["PSNR"]), max(exact, key=lambda row: row["PSNR"])
    close = list(takewhile(lambda row: row["short of it"] <= _CLOSE, reversed(exact)))
    first = close[-1] if close else None
    ddim_sentence = (
        f"DDIM inversion reproduces images at {best['PSNR']:.1f} dB at best, with {best['steps']} evaluations."
    )
    if first is None:
        return [
            ddim_sentence,
            f"Exact inversion reaches {top['PSNR']:.1f} dB with {top['evaluations']:.0f} evaluations (residual {top['residual']:.0e}); the "
            f"decoder's autoencoder alone reaches {top['autoencoder alone']:.1f} dB.",
        ]
    bound = first["autoencoder alone"]
    precision = "exactly" if bound >= SAME else f"as well as the autoencoder does ({bound:.1f} dB)"
    return [
        ddim_sentence,
        f"Exact inversion reproduces every image {precision} from {first['steps']} steps on "
        f"({first['evaluations']:.0f} evaluations).",
    ]


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """Left PSNR, a line from the worst image to the best, dotted what the decoder could; right the images.

    Images have a column for each way and number of steps, and their errors below them.
    """
    from matplotlib.figure import Figure

    from clipspace.plot import grid, paper, span, width

    methods, steps = zip(*(label.split("\n") for label in result.labels["columns"][1:]), strict=True)
    with paper(venue):
        across = width(venue)
        figure = Figure(figsize=(across, 0.4 * across))
        left, right = (part.subplots() for part in figure.subfigures(1, 2, width_ratios=[1, 1.6]))
        _draw_quality(result, left)
        columns = ["source", *steps]
        rows = [label.replace(" ×", "\n×") for label in result.labels["rows"]]
        grid(result.arrays["images"], row_labels=rows, column_labels=columns, ax=right)
        for method in dict.fromkeys(methods):
            first = 1 + methods.index(method)
            span(right, first, first + methods.count(method) - 1, f"{method}, steps")
    return figure


def _draw_quality(result: Result, ax: Axes) -> None:
    """One line for each way, a thick one from worst to best, its points named by their number of steps."""
    from clipspace.plot import curves

    methods = {row["method"]: [] for row in result.table}
    for row in result.table:
        methods[row["method"]].append(row)
    columns = {
        key: {name: [row[key] for row in rows] for name, rows in methods.items()} for key in result.table.columns
    }
    ax.set(xscale="log", xlabel="network evaluations\n(at points: steps)", ylabel="PSNR (dB)", ylim=(0, 112))
    ax.margins(x=0.22)
    curves(columns["evaluations"], columns["PSNR"], marker="o", ends=False, ax=ax)
    ax.get_legend().set_loc("center left")
    for name, line in zip(methods, ax.get_lines(), strict=True):
        ends = (columns["worst"][name], columns["best"][name])
        ax.vlines(columns["evaluations"][name], *ends, color=line.get_color(), linewidth=2.5, alpha=0.4)
    ax.axhline(result.table.rows[0]["autoencoder alone"], color="0.55", linestyle=":", linewidth=1, zorder=0)
    for rows in methods.values():
        for row in rows:
            place = {"xytext": (4, -3), "textcoords": "offset points", "ha": "left", "va": "top", "size": "small"}
            ax.annotate(row["steps"], (row["evaluations"], row["PSNR"]), **place)
    ax.set_yticks([0, 20, 40, 60, 80, SAME], [0, 20, 40, 60, 80, "equal"])
    ax.set_xticks(columns["steps"]["DDIM"], columns["steps"]["DDIM"])
    ax.minorticks_off()


def caption(result: Result) -> str:
    """What the figure of `draw` shows."""
    n, bound = len(result.arrays["images"]) // 2, result.table.rows[0]["autoencoder alone"]
    ceiling = (
        "an equal image, counted as 99 dB" if bound >= SAME else f"what its autoencoder alone gives, {bound:.1f} dB"
    )
    return f"""Inversion finds the initial noise from which the decoder draws a given image again. Left, how near the image
        comes back, over the cost: points are means over {n} images and are named by their number of sampler steps, thick lines
        go from the worst image to the best. The dotted line is the best that the decoder can do: {ceiling}. DDIM inversion
        takes one evaluation a step. The exact method solves each step by iteration and needs more iterations for larger steps,
        so that fewer steps need not cost less. Right, the images over their absolute pixel errors times {_LOUDER} (black is no
        error); numbers over the columns are sampler steps."""
