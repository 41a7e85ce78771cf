"""What stays the same over images that share one embedding, and what changes?

Figure 3 of DALL-E 2 (Ramesh et al. 2022, arXiv 2204.06125, section 3.1): every row starts from the code (z, x_T) of an image,
and is decoded again with fresh noise.

What stays was in z. What changes was not in z, or the decoder could not draw it. The control is the cosine of E(variation) to
z, compared with that to the z of other images. It is circular, because the CLIP that steers the decoder judges; on rendered
scenes, readers without CLIP say what stayed.

Would contradict expectation: a position or a rotation that stays although captions never mention it, or a colour that
changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from clipspace import progress
from clipspace.analyses import Analysis, Cost
from clipspace.analyses.baselines import CIRCULAR, far, mean_of, shown, to_others
from clipspace.analyses.examples import pictures
from clipspace.analyses.inverted import inverted
from clipspace.analyses.judging import WORDS, factors_kept, factors_sentence, readable
from clipspace.manipulate import variations
from clipspace.results.pictures import stacked
from clipspace.results.provenance import drawn_with, provenance
from clipspace.results.result import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from clipspace.space import Space

ANALYSIS = Analysis(
    order=10,
    title="Variations",
    takes=("rows",),
    scenes="{pictures} rendered scenes",
    demo=True,
    options={
        "n": "Variations to draw of each image.",
        "eta": "Amount of fresh noise at each step: 0 is none (DDIM), 1 is most (DDPM).",
    },
    quick={"n": 2, "num_inference_steps": 20},
    cost=Cost(steps=1420, images=30, seconds=1.0),
)


def run(
    space: Space,
    images: Sequence | None = None,
    *,
    n: int = 6,
    eta: float = 1.0,
    seed: int = 0,
    num_inference_steps: int = 25,
) -> Result:
    """Variations of each image: its source, its reconstruction at eta = 0, and ``n`` draws at ``eta``."""
    sources, names = pictures(space, images, "variations")
    code = inverted(space, sources, num_inference_steps=num_inference_steps)
    rows = [
        [source, *variations(space, code[i], n=n, eta=eta, seed=seed).images]
        for i, source in enumerate(progress.track(sources, "varying", "images"))
    ]
    again = space.encode_images([image for row in rows for image in row[2:]]).unit.reshape(len(sources), n, -1)
    cosines = np.einsum("nkd,nd->nk", again, code.embeddings.unit)
    ratios, beyond = far("variations", space, sources, code.embeddings, seed=seed)
    baselines, whose = to_others(space, again, code.embeddings)
    shares_kept = factors_kept(sources, [row[2:] for row in rows]) if readable(sources) else {}
    table = [
        {
            "image": name,
            "cosine to z": cosines[i].mean(),
            "lowest": cosines[i].min(),
            "cosine to others": baselines[i],
            "unfamiliarity": ratios[i],
            "pixel spread": np.stack([np.asarray(image, dtype=float) for image in rows[i][2:]]).std(axis=0).mean(),
            **{f"{WORDS[factor]} kept": shares[i] for factor, shares in shares_kept.items()},
        }
        for i, name in enumerate(names)
    ]
    to_z, to_others_mean = mean_of("z", cosines.mean(axis=1), seed=seed), mean_of("others", baselines, seed=seed)
    findings = [
        *beyond,
        f"Images that are drawn again from their embeddings have a mean cosine of {shown(to_z)} to z, and of {shown(to_others_mean)} "
        f"to the z of {whose}. {CIRCULAR}",
        *([factors_sentence(shares_kept, n * len(sources), "drawn images")] if shares_kept else []),
        f"Pixels differ by a standard deviation of {np.mean([row['pixel spread'] for row in table]):.0f} of 255 "
        "between draws of one embedding.",
    ]
    return Result(
        "variations",
        table,
        findings,
        {"images": stacked(rows)},
        {"columns": ["source", "eta = 0", *[f"eta = {eta:g}"] * n]},
        provenance(
            "variations",
            space,
            pictures=names,
            n=n,
            eta=eta,
            seed=seed,
            **drawn_with(space, num_inference_steps, inverted=True),
        ),
    )


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """One row per image: source, reconstruction, draws; at the right the mean cosine of the draws to z, and to the z of others."""
    from clipspace.plot import cells_for, grid, number_columns, page, paper, span, trim

    cosines = list(zip(result.column("cosine to z"), result.column("cosine to others"), strict=True))
    images, (*_, eta) = result.arrays["images"], result.labels["columns"]
    n, names = images.shape[1], ["cosine\nto its z", "cosine to\nother z"]
    labels = ["source", "η = 0", *(str(draw) for draw in range(1, n - 1))]
    with paper(venue):
        figure, cells = page(venue), cells_for(names, n, venue)
        left, right = figure.subplots(1, 2, width_ratios=[n, cells])
        grid(images, column_labels=labels, ax=left)
        span(left, 2, n - 1, f"draws at {eta.replace('eta', 'η')}")
        number_columns(cosines, names, cells=cells, ax=right)
        return trim(figure)


def caption(result: Result) -> str:
    """What the figure of `draw` shows."""
    n, (*_, eta) = result.arrays["images"].shape[1] - 2, result.labels["columns"]
    return f"""Variations: decodes that share the embedding z of an image. Each row has the source; its reconstruction without
        fresh noise (η = 0), from the initial noise that was found by inversion; and {n} draws with fresh noise in every step
        ({eta.replace("eta", "η")}). Numbers are means over the draws of a row: the cosine of the encoded draw to its z and, as
        baseline, to the z of other images. The encoder that judges also steers the decoder, so the first cosine is
        circular."""
