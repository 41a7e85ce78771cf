"""What lies between images, when only their embeddings move and when the noise moves too?

Figure 4 of DALL-E 2 (Ramesh et al. 2022, arXiv 2204.06125, section 3.2): z moves on the great circle between keyframes. In
the first row x_T moves as well, between the inverted noise of the keyframes. In the other rows x_T is drawn once and kept.

With inverted noise every keyframe is reproduced, to the pixel where the inversion is exact. With fixed noise none is, and the
changes along a row come from z alone. The cosine of E(image) to z measures how well the image follows z; its baseline is the
cosine to the z of other images. It is circular, because the CLIP that steers the decoder judges.

Would contradict expectation: a keyframe that inverted noise does not reproduce, or a cosine that is higher between the
keyframes, where there is no image, than at them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from clipspace import progress
from clipspace.analyses import Analysis, Cost
from clipspace.analyses.baselines import CIRCULAR, bundled, far
from clipspace.analyses.examples import pictures
from clipspace.analyses.inverted import inverted
from clipspace.errors import check_count
from clipspace.manipulate import interpolate
from clipspace.points.embeddings import Embeddings
from clipspace.results.pictures import stacked
from clipspace.results.provenance import drawn_with, provenance
from clipspace.results.result import Result
from clipspace.seeds import child_seed
from clipspace.sources.images import SAME, psnr

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from clipspace.space import Space

ANALYSIS = Analysis(
    order=20,
    title="Interpolation",
    takes=("rows",),
    scenes="{pictures} rendered scenes",
    demo=True,
    options={
        "frames": "Images from each keyframe to the next, both included.",
        "draws": "Paths with fixed noise to draw beside the one with inverted noise.",
    },
    quick={"frames": 3, "draws": 1, "num_inference_steps": 20},
    cost=Cost(steps=735, images=30, seconds=0.2),
)

_BUNDLED = 3
"""Number of bundled scenes used as keyframes. All of them are inverted, since other analyses of a report need the same set."""


def run(
    space: Space,
    images: Sequence | None = None,
    *,
    frames: int = 5,
    draws: int = 2,
    seed: int = 0,
    num_inference_steps: int = 25,
) -> Result:
    """The path through the images, ``frames`` from each to the next: noise inverted, then fixed, ``draws`` times."""
    check_count("frames", frames, least=2)
    sources, names = pictures(space, images, "interpolation", least=2)
    code = inverted(space, sources, num_inference_steps=num_inference_steps)
    n_keyframes = _BUNDLED if images is None else len(sources)
    keyframes, names = [code[i] for i in range(n_keyframes)], names[:n_keyframes]
    kinds = {"inverted": ("inverted", seed)} | {
        f"fixed, draw {k + 1}": ("fixed", child_seed(seed, "draw", k)) for k in range(draws)
    }
    rows, table = [], []
    for name, (noise, drawn_from) in progress.track(kinds.items(), "drawing", "paths"):
        path = interpolate(space, *keyframes, frames=frames, noise=noise, seed=drawn_from)
        again = space.encode_images(path.images).unit
        cosines = np.einsum("nd,nd->n", again, path.embeddings.unit)
        legs = np.minimum(np.arange(len(again)) // (frames - 1), n_keyframes - 2)
        baselines = _others(space, again, code.embeddings, legs)
        rows.append(path.images)
        for j, (image, cosine) in enumerate(zip(path.images, cosines, strict=True)):
            leg, step = divmod(j, frames - 1)
            quality = psnr(image, sources[leg], most=SAME) if step == 0 else None
            row = {"noise": name, "position": j / (frames - 1), "cosine to z": cosine, "cosine to others": baselines[j]}
            table.append(row | {"PSNR to keyframe, dB": quality})
    _, beyond = far("interpolation", space, sources[:n_keyframes], code.embeddings[np.arange(n_keyframes)], seed=seed)
    whose = "images of no end of a leg" if len(sources) > 2 else "the bundled scenes"
    labels = {"rows": list(kinds), "columns": [f"{row['position']:g}" for row in table[: len(rows[0])]]}
    return Result(
        "interpolation",
        table,
        [*beyond, *_findings(table, whose)],
        {"images": stacked(rows)},
        labels,
        provenance(
            "interpolation",
            space,
            pictures=names,
            frames=frames,
            draws=draws,
            seed=seed,
            guidance_scale_of_fixed_noise=space.guidance_scale,
            **drawn_with(space, num_inference_steps, inverted=True),
        ),
    )


def _others(space: Space, again: np.ndarray, points: Embeddings, legs: np.ndarray) -> np.ndarray:
    """Mean cosine of each image of a path to the z of images that are no end of its leg; of two, to bundled scenes."""
    if len(points) < 3:
        return (again @ bundled(space).unit.T).mean(axis=1)
    away = [[i for i in range(len(points)) if i not in (leg, leg + 1)] for leg in legs]
    return np.array([(points.unit[rows] @ unit).mean() for rows, unit in zip(away, again, strict=True)])


def _findings(table: list[dict], whose: str) -> list[str]:
    keyframe_rows = [row for row in table if row["PSNR to keyframe, dB"] is not None]
    inverted_psnr = [row["PSNR to keyframe, dB"] for row in keyframe_rows if row["noise"] == "inverted"]
    fixed_psnr = [row["PSNR to keyframe, dB"] for row in keyframe_rows if row["noise"] != "inverted"]
    sentences = [
        f"With inverted noise the keyframes are reproduced at {min(inverted_psnr):.0f} dB or better ({SAME:.0f} dB: identical pixels)."
    ]
    if fixed_psnr:
        sentences.append(f"With fixed noise they are reproduced at {max(fixed_psnr):.0f} dB at best.")
    between = [row["cosine to z"] for row in table if row["PSNR to keyframe, dB"] is None]
    at_keyframes = np.mean([row["cosine to z"] for row in keyframe_rows])
    where = (
        f"{np.mean(between):.2f} to z between keyframes and {at_keyframes:.2f} at them"
        if between
        else f"{at_keyframes:.2f} to z"
    )
    baseline = np.mean([row["cosine to others"] for row in table])
    sentences.append(f"E(image) keeps a mean cosine of {where}, beside {baseline:.2f} to the z of {whose}. {CIRCULAR}")
    return sentences


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """One row per noise, one column per place on the path; a keyframe stands at every whole number; cosines to z below."""
    from clipspace.plot import grid, number, page, paper, trim

    images, labels = result.arrays["images"], result.labels
    captions = [[number(row["cosine to z"]) for row in result.where(noise=noise)] for noise in labels["rows"]]
    names = {"row_labels": labels["rows"], "column_labels": labels["columns"], "captions": captions}
    with paper(venue):
        figure = page(venue)
        ax = grid(images, **names, wrap=9, ax=figure.subplots())
        ax.set(ylabel="noise", xlabel="below each image: cosine of its embedding to z at its position")
        ax.set_title("position on the path of z; keyframes at whole numbers")
        return trim(figure)


def caption(result: Result) -> str:
    """What the figure of `draw` shows."""
    baseline = np.mean(result.column("cosine to others"))
    quality = [row["PSNR to keyframe, dB"] for row in result.where(noise="inverted")]
    worst = min(value for value in quality if value is not None)
    return f"""The embedding z moves on the great circle from one image (keyframe) to the next. In the first row the initial
        noise moves between the inverted noises of the keyframes as well, which brings the keyframes back at {worst:.0f} dB or
        better ({SAME:.0f} dB: identical pixels); in the other rows it is drawn once and held, so that only z changes. Below
        each image is the cosine of its embedding to z at that position; the mean cosine to the z of other images, the
        baseline, is {baseline:.2f}. The cosine is circular, since the same encoder steers the decoder."""
