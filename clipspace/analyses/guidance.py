"""What does guidance improve, and what does it cost?

Figure 9 of DALL-E 2 (Ramesh et al. 2022, arXiv 2204.06125, section 5.4): the same embeddings and the same x_T, decoded at
guidance scales from 1 (none) to 4. z fixes the content of the image, so the paper finds that guidance makes images sharper
without making them alike.

The cosine of E(image) to z should rise with the scale, and its baseline, the cosine to the z of other images, should not.
This score is circular, because guidance follows the CLIP that judges. On rendered scenes, readers without CLIP judge too.
Diversity is 1 minus the mean cosine between draws of one embedding. Where it falls, guidance narrows what z leaves open.

Would contradict expectation: a cosine that falls. Then the decoder reads z differently from CLIP, and guidance follows the
decoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from clipspace import progress
from clipspace.analyses import Analysis, Cost
from clipspace.analyses.baselines import CIRCULAR, far, to_others
from clipspace.analyses.examples import pictures
from clipspace.analyses.judging import CHANCE, WORDS, factors_kept, readable
from clipspace.errors import InputError, check_count, shortened
from clipspace.results.pictures import stacked
from clipspace.results.provenance import drawn_with, provenance
from clipspace.results.result import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from clipspace.space import Space

ANALYSIS = Analysis(
    order=70,
    title="Guidance",
    takes=("rows",),
    scenes="{pictures} rendered scenes",
    options={
        "scales": "Guidance scale to decode at (1 is none); may be repeated.",
        "draws": "Decodes of each image at each scale.",
    },
    quick={"scales": (1.0, 2.0), "draws": 2, "num_inference_steps": 3},
    cost=Cost(steps=1760, images=52, seconds=1.3),
)


def run(
    space: Space,
    images: Sequence | None = None,
    *,
    scales: tuple[float, ...] = (1.0, 2.0, 3.0, 4.0),
    draws: int = 3,
    seed: int = 0,
    num_inference_steps: int = 20,
) -> Result:
    """``draws`` of each image's embedding from x_T of their own, at each of ``scales`` from the same."""
    check_count("draws", draws, least=2)
    if not scales or min(scales) <= 0:
        raise InputError(f"guidance: expected scales above 0, got {shortened(scales)}")
    sources, names = pictures(space, images, "guidance")
    points = space.encode_images(sources)
    repeated = points[np.repeat(np.arange(len(points)), draws)]
    rows, table, scenes = [], [], readable(sources)
    _, beyond = far("guidance", space, sources, points, seed=seed)
    for scale in progress.track(scales, "drawing at", "scales"):
        decodes = space.decode(repeated, seed=seed, guidance_scale=scale, num_inference_steps=num_inference_steps)
        again = space.encode_images(decodes).unit.reshape(len(points), draws, -1)
        pixels = np.stack([np.asarray(image, dtype=float) for image in decodes]).reshape(len(points), draws, -1)
        alike = np.einsum("nid,njd->nij", again, again)[:, ~np.eye(draws, dtype=bool)]
        baselines, whose = to_others(space, again, points)
        shares_kept = (
            factors_kept(sources, [decodes[i : i + draws] for i in range(0, len(decodes), draws)]) if scenes else {}
        )
        rows.append(decodes)
        table.append(
            {
                "guidance scale": scale,
                "cycle cosine": np.einsum("nkd,nd->nk", again, points.unit).mean(),
                "cosine to others": baselines.mean(),
                "diversity": 1 - alike.mean(),
                "pixel spread": pixels.std(axis=1).mean(),
                **{f"{WORDS[factor]} kept": float(np.mean(shares)) for factor, shares in shares_kept.items()},
            }
        )
    return Result(
        "guidance",
        table,
        [*beyond, *_findings(table, whose, draws * len(points))],
        {"images": stacked(rows), "image": np.repeat(np.arange(len(points)), draws)},
        provenance=provenance(
            "guidance",
            space,
            pictures=names,
            scales=list(scales),
            draws=draws,
            seed=seed,
            **drawn_with(space, num_inference_steps, list(scales)),
        ),
    )


def _findings(table: list[dict], whose: str, n: int) -> list[str]:
    first, last = table[0], table[-1]
    best = max(table, key=lambda row: row["cycle cosine"])

    def course(column: str) -> str:
        old, new = round(first[column], 2), round(last[column], 2)  # what the sentence shows
        verb = "rises" if new > old else "falls" if new < old else "stays"
        return f"{verb} from {old:.2f} to {new:.2f}"

    phrases = [
        f"the share with the {WORDS[factor]} of their source {course(f'{WORDS[factor]} kept')} (chance {chance:.2f})"
        for factor, chance in CHANCE.items()
        if f"{WORDS[factor]} kept" in first
    ]
    return [
        f"From scale {first['guidance scale']:g} to {last['guidance scale']:g} the cosine of E(image) to z "
        f"{course('cycle cosine')} (best at {best['guidance scale']:g}: {best['cycle cosine']:.2f}), and that to the z of "
        f"{whose} {course('cosine to others')}. {CIRCULAR}",
        *([f"As judged by readers without CLIP on {n} images: {'; '.join(phrases)}."] if phrases else []),
        f"The diversity of draws of one z {course('diversity')}.",
    ]


_COLUMNS = 6


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """One row per scale; a break between the draws of one embedding and of the next; at the right cosines and diversity."""
    from clipspace.plot import cells_for, grid, number_columns, page, paper, trim

    images, image = result.arrays["images"][:, :_COLUMNS], result.arrays["image"][:_COLUMNS]
    breaks = (np.flatnonzero(np.diff(image)) + 1).tolist()
    scales = [f"{scale:g}" for scale in result.column("guidance scale")]
    values = [[row[name] for name in ("cycle cosine", "cosine to others", "diversity")] for row in result.table]
    names, across = ["cosine\nto its z", "cosine to\nother z", "diversity"], images.shape[1] + len(breaks) / 2
    with paper(venue):
        figure, cells = page(venue), cells_for(names, across, venue)
        left, right = figure.subplots(1, 2, width_ratios=[across, cells])
        grid(images, row_labels=scales, breaks=breaks, ax=left).set_ylabel("guidance scale")
        number_columns(values, names, digits=3, cells=cells, ax=right)
        return trim(figure)


def caption(result: Result) -> str:
    """What the figure of `draw` shows."""
    n = result.arrays["images"].shape[1]
    return f"""Decodes of the same embeddings z from the same initial noise at several scales of classifier-free guidance (1 is
        none). A gap parts the draws of one z from those of the next; {min(n, _COLUMNS)} of {n} draws are shown. Numbers are
        means over all {n} draws of a scale: the cosine of the encoded draw to its z; as baseline, to the z of other images;
        and the diversity, 1 minus the mean cosine between draws of one z (0 is no difference). The encoder that judges also
        steers the decoder, so the first cosine is circular."""
