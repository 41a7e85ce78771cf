"""Which principal components of an embedding hold what of an image?

Figure 7 of DALL-E 2 (Ramesh et al. 2022, arXiv 2204.06125, section 4): images decoded from the first 2, 4, 8, … components of
their embeddings, with one x_T, below their sources. The paper uses 20 to 320 of 1,024.

The first components hold what varies most in the set on which they were fitted. Below the images: the share of the variance,
the cosine to the whole embedding, the cosine of E(decode) to it and to the z of other images, and how often zero-shot
classification of that many components, without a decoder, finds the right colour, thing and background of held-out scenes.

Would contradict expectation: a factor that captions always mention and that only the last components hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from clipspace.analyses import Analysis, Cost
from clipspace.analyses.baselines import CIRCULAR, far, to_others
from clipspace.analyses.examples import pictures
from clipspace.analyses.judging import CHANCE, WORDS
from clipspace.errors import check_count
from clipspace.manipulate import reconstruct
from clipspace.points.embeddings import Embeddings
from clipspace.points.pca import PCA
from clipspace.probes.mini_world import FACTORS, describe, truth
from clipspace.results.pictures import stacked
from clipspace.results.provenance import drawn_with, provenance
from clipspace.results.result import Result
from clipspace.scenes import render, sample_scenes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from clipspace.space import Space

ANALYSIS = Analysis(
    order=40,
    title="PCA reconstruction",
    takes=("rows", "others"),
    scenes="{pictures} rendered scenes, with components of {n:,} others, read off {readings:,} more",
    demo=True,
    options={
        "n": "Rendered scenes to fit the components on, when no store is given.",
        "readings": "Held-out rendered scenes whose factors are predicted, when no store is given.",
        "components": "Number of components to decode from; may be repeated.",
    },
    quick={"n": 200, "readings": 20, "components": (2, 16, 128), "num_inference_steps": 3},
    cost=Cost(steps=640, images=1240, seconds=3.2),
)


def run(
    space: Space,
    images: Sequence | None = None,
    *,
    points: Embeddings | None = None,
    n: int = 1000,
    readings: int = 200,
    components: tuple[int, ...] = (2, 4, 8, 16, 32, 64, 128, 256, 512),
    seed: int = 0,
    num_inference_steps: int = 20,
) -> Result:
    """The ladder of each image. Components are fitted on ``points``, or on ``n`` sampled scenes where there are none.

    Of scenes, ``readings`` held out ones are read as well. Counts beyond the components there are, are left out.
    """
    sources, names = pictures(space, images, "pca_reconstruction")
    check_count("n", n, least=2)
    check_count("readings", readings)
    fitted = PCA(normalize=True).fit(points) if points is not None else _fitted(space, n, seed)
    ladder = reconstruct(
        space, sources, fitted, components=components, seed=seed, num_inference_steps=num_inference_steps
    )
    counts = ladder.provenance.options["components"]
    again = space.encode_images([image for row in ladder.rows for image in row[:-1]]).unit
    z, again = space.encode_images(sources), again.reshape(len(sources), len(counts), -1)
    cycle = np.einsum("nkd,nd->k", again, z.unit) / len(sources)
    baselines = [to_others(space, again[:, [j]], z)[0].mean() for j in range(len(counts))]
    _, beyond = far("pca_reconstruction", space, sources, z, seed=seed)
    reading_rates = _read(space, fitted, counts, readings, seed) if points is None else {}
    table = [
        {
            "components": k,
            "variance explained": float(fitted.explained_variance_ratio_[:k].sum()),
            "cosine to z": ladder.scores["cosine to the full embedding"][:, j].mean(),
            "cosine of E(decode) to z": cycle[j],
            "cosine of E(decode) to others": baselines[j],
            **{f"{WORDS[factor]} read": rates[j] for factor, rates in reading_rates.items()},
            **{f"{WORDS[factor]} by chance": CHANCE[factor] for factor in reading_rates},
        }
        for j, k in enumerate(counts)
    ]
    fitted_on = n if points is None else len(points)
    options = {
        "n": fitted_on,
        "readings": readings if reading_rates else 0,
        "components": list(components),
        "seed": seed,
    }
    return Result(
        "pca_reconstruction",
        table,
        [*beyond, *_findings(table, ladder.scores["cosine of the mean alone"].mean())],
        {"images": stacked(ladder.rows)},
        {"columns": ladder.labels["columns"]},
        provenance("pca_reconstruction", space, pictures=names, **options, **drawn_with(space, num_inference_steps)),
    )


def _fitted(space: Space, n: int, seed: int) -> PCA:
    """All components of scenes that no image and no reading is one of."""
    scenes = sample_scenes(n, seed=seed + 1)
    return PCA(normalize=True).fit(space.encode_images([render(scene) for scene in scenes]))


def _read(space: Space, fitted: PCA, counts: Sequence[int], readings: int, seed: int) -> dict[str, list[float]]:
    """How often zero-shot reads each factor right from the first ``counts`` components, in scenes of one thing."""
    scenes = sample_scenes(readings, seed=seed + 2, layout="one")
    points = space.encode_images([render(scene) for scene in scenes])
    coordinates = fitted.transform(points)
    rates: dict[str, list[float]] = {factor: [] for factor in FACTORS}
    for k in counts:
        descriptions = describe(space, points.with_vectors(fitted.inverse_transform(coordinates[:, :k])))
        for factor in FACTORS:
            right = [
                description[factor] == truth(scene)[factor]
                for description, scene in zip(descriptions, scenes, strict=True)
            ]
            rates[factor].append(float(np.mean(right)))
    return rates


def _findings(table: list[dict], alone: float) -> list[str]:
    first, last = table[0], table[-1]
    most = next((row for row in table if row["variance explained"] >= 0.9), last)
    sentences = [
        f"{most['components']} components hold {most['variance explained']:.0%} of the variance and have a mean cosine of "
        f"{most['cosine to z']:.2f} to z (the mean vector alone {alone:.2f}); {first['components']} hold "
        f"{first['variance explained']:.0%}.",
        f"E(decode) has a mean cosine to z of {last['cosine of E(decode) to z']:.2f} from {last['components']} components and of "
        f"{first['cosine of E(decode) to z']:.2f} from {first['components']}; to the z of other images it is "
        f"{last['cosine of E(decode) to others']:.2f} and {first['cosine of E(decode) to others']:.2f}. "
        f"{CIRCULAR}",
    ]
    words_read = [word for word in WORDS.values() if f"{word} read" in last]
    if words_read:
        components_needed = {
            word: next((row["components"] for row in table if row[f"{word} read"] >= 0.9), None) for word in words_read
        }
        phrases = (f"{word} from {k}" if k else f"{word} never" for word, k in components_needed.items())
        sentences.append(f"Components from which zero-shot reads nine scenes of ten right: {', '.join(phrases)}.")
    return sentences


_READ = " read"
_CURVES = {
    "variance explained": "variance explained",
    "cosine to z": "cosine of cut z to z",
    "cosine of E(decode) to z": "cosine of decode to z",
    "cosine of E(decode) to others": "cosine of decode to other z",
}
"""Columns of the table that are curves, and their names in the figure."""


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """Images over the curves of their step, the columns the same: first cosines and variance, then what zero-shot reads."""
    from clipspace.plot import grid, ladder, number, page, paper, spelt, trim

    images, counts = result.arrays["images"], result.column("components")
    read = [name.removesuffix(_READ) for name in result.table.columns if name.endswith(_READ)]
    chance = {factor: result.column(f"{factor} by chance")[0] for factor in read}
    names = {factor: f"{spelt(factor)} (chance {number(chance[factor])})" for factor in read}
    panels = [({shown: result.column(name) for name, shown in _CURVES.items()}, None, "share, or cosine")]
    if read:
        rates = {names[factor]: result.column(f"{factor}{_READ}") for factor in read}
        panels.append((rates, {names[factor]: chance[factor] for factor in read}, "share read right"))
    with paper(venue):
        figure = page(venue)
        above, *below = figure.subplots(1 + len(panels), 1, height_ratios=[len(images), *[1.5] * len(panels)])
        grid(images, column_labels=result.labels["columns"], ax=above).set_title("first principal components")
        for ax, (curves, levels, ylabel) in zip(below, panels, strict=True):
            ladder(counts, curves, chance=levels, ylabel=ylabel, ax=ax).set_xlim(above.get_xlim())
        return trim(figure)


def caption(result: Result) -> str:
    """What the figure of `draw` shows."""
    options = result.provenance.options
    read = (
        f"""Below, how often zero-shot reads a factor right off that many components of {options["readings"]} held-out scenes,
            without a decoder; dotted lines are chance."""
        if options["readings"]
        else ""
    )
    return f"""Embeddings z cut to their first principal components, of components fitted on {options["n"]:,} other embeddings,
        and decoded from one initial noise; the last column is the source. The curves stand under their columns. First, the
        share of the variance of the set; and mean cosines over {len(result.arrays["images"])} images: of the cut embedding to
        z, of the encoded decode to z (circular: the encoder also steers the decoder), and as baseline of the encoded decode to
        the z of other images. {read}"""
