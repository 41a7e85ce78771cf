"""Is what a decode shows in the embedding, or in the decoder?

DALL-E 2 (Ramesh et al. 2022, arXiv 2204.06125) studies CLIP through one decoder. Here several decoders draw the same z, and
what they agree on comes from z. Besides the space's own decoder there is always one without a learned prior over images: it
optimises pixels until their embedding is z (Kazemi et al. 2024, arXiv 2403.02580).

Look at the cosine of E(D(z)) to z for each decoder, and at the cosine between two decoders' images of one z. Compare both
with the same cosines for unrelated images. These scores are circular, because E judges what was drawn from E. An optimised
image has a higher cycle cosine than its look suggests: it satisfies E and not the eye.

Would contradict expectation: decoders that agree with each other more than with z, which means that they share an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from clipspace.analyses import Analysis, Cost
from clipspace.analyses.examples import pictures
from clipspace.errors import InputError
from clipspace.probes.decoders import agreement_of, decoder_seed
from clipspace.results.pictures import stacked
from clipspace.results.provenance import drawn_with, provenance
from clipspace.results.result import Result
from clipspace.sources.images import square

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from clipspace.space import Space

ANALYSIS = Analysis(
    order=160,
    title="Decoder agreement",
    takes=("rows",),
    scenes="{pictures} rendered scenes",
    rows=4,
    options={
        "n": "Number of images to draw.",
    },
    quick={"num_inference_steps": 3},
    cost=Cost(steps=200, images=12, seconds=48.0),
)


def run(
    space: Space,
    images: Sequence | None = None,
    others: Mapping[str, Space] | None = None,
    *,
    n: int = 4,
    num_inference_steps: int | None = None,
    seed: int = 0,
) -> Result:
    """Images drawn by the space's own decoder, by ``others`` of the same encoder, by name, and by optimised pixels.

    The first ``n`` of the user's ``images``, or of the bundled scenes. Each decoder takes its usual number of steps
    where none is given. Raises `InputError` for fewer than two images.
    """
    from clipspace.models.gradient_decoder import GradientDecoder

    sources, names = pictures(space, images, "decoder_agreement", most=n)
    if len(sources) < 2:
        raise InputError(f"decoder_agreement: expected two images or more, got {len(sources)}")
    own_space = {space.name: space} if space.decoder is not None and space.decoder.inverts else {}
    optimised = replace(space, decoder=GradientDecoder(space.encoder), usual_guidance=None)
    spaces = {**own_space, **(others or {}), "gradient": optimised}
    points = space.encode_images(sources)
    decodes = {
        name: one_space.decode(points, num_inference_steps=num_inference_steps, seed=decoder_seed(seed, name))
        for name, one_space in spaces.items()
    }
    used = {name: drawn_with(one_space, num_inference_steps) for name, one_space in spaces.items()}
    sampling = {key: {name: of_space[key] for name, of_space in used.items()} for key in used["gradient"]}
    scores = agreement_of(space, points, decodes, seed=seed)
    side = max(image.width for images in decodes.values() for image in images)  # no decoder loses pixels
    columns = [sources, *decodes.values()]
    return Result(
        "decoder_agreement",
        scores.table,
        _findings(scores, list(decodes)),
        {
            "images": stacked([[square(image, side) for image in row] for row in zip(*columns, strict=True)]),
            "cosines": _matrix(scores, points.unit),
        },
        {"names": ["z", *decodes]},
        provenance("decoder_agreement", space, pictures=names, seed=seed, **sampling),
    )


def _matrix(scores: Result, z: np.ndarray) -> np.ndarray:
    """Mean cosines of z and of what each decoder makes of it, image by image."""
    points = np.stack([z, *scores.arrays.values()])
    return np.einsum("and,bnd->ab", points, points) / len(z)


def _findings(scores: Result, decoders: list[str]) -> list[str]:
    cycles = {name: scores["z", name] for name in decoders}
    closest = max(cycles, key=lambda name: cycles[name].value)
    cycle_phrases = ", ".join(f"{name} {score.value:.2f} (chance {score.chance:.2f})" for name, score in cycles.items())
    n = next(iter(cycles.values())).n
    sentences = [
        f"Mean cosine of E(D(z)) to z over {n} images: {cycle_phrases}; {closest} is nearest. This is circular for every decoder, "
        "because E judges what was drawn from E, and the gradient decoder optimises exactly this number."
    ]
    pairs = [row for row in scores if row.first != "z"]
    if pairs:
        nearest = max(pairs, key=lambda row: row.value)
        least = min(score.value for score in cycles.values())
        comparison = (
            "no nearer to each other than to z"
            if nearest.value <= least
            else "nearer to each other than one of them is to z"
        )
        sentences.append(
            f"Images by {nearest.first} and {nearest.second} have a cosine of {nearest.value:.2f} (chance {nearest.chance:.2f}): "
            f"{comparison}."
        )
    return sentences


_MEASURED = ("value", "low", "high", "chance")
_COSINES = (1, 0.9, 0.7, 0.4, 0)
"""Cosines marked on the upper axis."""


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """Left a column for each image; right the angles of mean cosines and intervals, beside those of unlike images in grey."""
    from matplotlib.figure import Figure

    from clipspace.plot import grid, paper, width

    images, names = result.arrays["images"].swapaxes(0, 1), result.labels["names"]
    rows, columns = images.shape[:2]
    with paper(venue):
        across = width(venue)
        figure = Figure(figsize=(across, 0.54 * across * min(rows / columns, 1) + 0.1))
        left, right = (part.subplots() for part in figure.subfigures(1, 2, width_ratios=[1.05, 1]))
        grid(images, row_labels=["source", *names[1:]], ax=left)
        _draw_angles(result, right)
    return figure


def _draw_angles(result: Result, ax: Axes) -> None:
    """Angles tell cosines near 1 apart; the upper axis has the cosines."""
    from clipspace.plot import estimate, intervals

    angles = {name: np.degrees(np.arccos(np.clip(result.column(name), -1, 1))) for name in _MEASURED}
    labels = [f"{row.first}, {row.second}\n{estimate(row.value, row.low, row.high, digits=3)}" for row in result]
    ends = {"low": angles["high"], "high": angles["low"], "chance": angles["chance"]}
    intervals(labels, angles["value"], **ends, size=3, ax=ax)
    ax.set(xlim=(0, max(90, 1.05 * angles["chance"].max())), xlabel="angle in degrees\n(grey: unlike images)")
    ax.set_xticks([0, 30, 60, 90])
    above = ax.secondary_xaxis("top")
    above.set_xticks(np.degrees(np.arccos(_COSINES)), [f"{cosine:g}" for cosine in _COSINES])
    above.set_xlabel("cosine")


def caption(result: Result) -> str:
    """What the figure of `draw` shows."""
    n, levels = result.table.rows[0]["n"], result.column("chance")
    return f"""The same embeddings z drawn by several decoders. Left, the source of each z and what each decoder draws of it.
        The decoder "gradient" optimises pixels until the encoder maps them to z; it has no model of images, so it comes near to
        z with images that look like noise. Right, the mean over {n} images of the angle between z and the encoded images of a
        decoder, or between the encoded images of two decoders, with 95 % intervals; numbers are the same as cosines. Grey is
        the baseline, the same between unlike images (cosine {min(levels):.2f} to {max(levels):.2f}). All of these are circular:
        the encoder judges what was drawn from it."""
