"""Which images are the same to CLIP and different to the eye?

MMVP (Tong et al. 2024, arXiv 2401.06209) finds pairs of images that are the same to CLIP and different to another encoder,
and the reverse. Here the other encoder is the pixels, unless another is given. Metamers are decodes of one embedding that
differ as much as possible while their own embeddings agree with it.

Look at what differs within a pair that is the same to z: CLIP does not see it, or gives it little weight. The reverse pairs
differ little in pixels and much to CLIP.

Would contradict expectation: a pair that is the same to CLIP and shows two different things.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from clipspace.analyses import Analysis, Cost
from clipspace.analyses.examples import pictures, unseen_scenes
from clipspace.errors import InputError, check_count
from clipspace.manipulate import metamers
from clipspace.points.embeddings import Embeddings
from clipspace.probes.pairs import cosine_levels, pairs_each_way, pixel_points
from clipspace.results.pictures import Pictures
from clipspace.results.provenance import drawn_with, provenance
from clipspace.results.result import Result
from clipspace.scenes import Scene, factor_table, render
from clipspace.sources.images import list_images, read_image, square

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from clipspace.space import Space

ANALYSIS = Analysis(
    order=140,
    title="Blind pairs",
    takes=("images",),
    scenes="{images:,} rendered scenes",
    options={
        "n": "Scenes to render, when no images are given.",
        "k": "Pairs to show each way.",
        "same": "Share of all pairs, those with the highest cosines, that counts as the same.",
        "agree": "Share of the highest cosines between images; a metamer reaches such a cosine to its embedding.",
        "decodes": "Decodes of each image among which metamers are looked for.",
    },
    quick={"n": 60, "k": 2, "same": 0.02, "agree": 0.9, "decodes": 3, "num_inference_steps": 2},
    cost=Cost(steps=640, images=1030, seconds=1.8),
)

_SIDE = 64
_SOURCES = 2
_FACTORS = {"thing": "thing1", "color": "color1", "texture": "texture1", "size": "size1", "ground": "ground"}


def run(
    space: Space,
    images: Sequence | None = None,
    other: Embeddings | None = None,
    *,
    points: Embeddings | None = None,
    n: int = 1000,
    k: int = 5,
    same: float = 0.0005,
    agree: float = 0.01,
    decodes: int = 16,
    num_inference_steps: int = 20,
    seed: int = 0,
) -> Result:
    """The ``k`` widest pairs each way among the user's ``images``, or among ``n`` scenes; and metamers of two of them.

    The same is what is in the ``same`` share of all pairs with the highest cosines, different what is in the lower half,
    each set less its mean. A decode agrees with z where their cosine is in the highest ``agree`` share. ``points`` are
    embeddings of ``images``, where they are known, and ``other`` those by another encoder
    (`models.timm.encode_with_timm`). Without a decoder there are no metamers.
    """
    if images is None and other is not None:
        raise InputError("blind_pairs: expected the images that the embeddings in `other` are of, got none")
    check_count("decodes", decodes, least=2)
    scenes = unseen_scenes(n, seed=seed, layout="one") if images is None else []
    sources, names = list_images([render(scene) for scene in scenes] if images is None else images)
    if len(sources) < 2:
        raise InputError(f"blind_pairs: expected two images or more, got {len(sources)}")
    z = space.encode_images(sources) if points is None else replace(points, names=names)
    second = replace(pixel_points(sources), names=names) if other is None else other
    ways = pairs_each_way(z, second, same=same, k=k, seed=seed)
    (agreeing,) = cosine_levels(z.unit, (1 - agree,), seed)
    options = {"n": decodes, "keep": min(4, decodes), "same": agreeing}
    options |= {"num_inference_steps": num_inference_steps, "seed": seed}
    sheets = _metamers(space, None if images is None else sources, options) if space.decoder is not None else []
    agreed = [_agreement(sheets, agreeing, decodes)] if space.decoder is not None else []
    table = [row for way, scores in ways.items() for row in _rows(way, scores, names, scenes)]
    name = "pixels" if other is None else other.stamp.model if other.stamp else "the other"
    return Result(
        "blind_pairs",
        table,
        [_count(ways, name), *_differences(table, name), *agreed],
        {
            **{f"same to {way}": _pairs_drawn(sources, scores) for way, scores in ways.items()},
            **{f"metamers {i}": _pixels(sheet.rows) for i, sheet in enumerate(sheets)},
        },
        {"other": [name], **{f"metamers {i}": sheet.labels["columns"] for i, sheet in enumerate(sheets)}},
        provenance(
            "blind_pairs", space, images=len(sources), k=k, same=same, agree=agree, decodes=decodes,
            seed=seed, **drawn_with(space, num_inference_steps),
        ),
    )  # fmt: skip


def _pairs_drawn(sources: Sequence, scores: Result) -> np.ndarray:
    return _pixels([[sources[i] for i in pair] for pair in scores.arrays["pairs"]])


def _metamers(space: Space, images: Sequence | None, options: dict[str, Any]) -> list[Pictures]:
    """Of each source a row: itself, then decodes of it. Sources of which no two decodes agree are left out."""
    sheets = []
    for source in pictures(space, images, "blind_pairs", most=_SOURCES)[0]:
        try:
            sheet = metamers(space, source, **options)
        except InputError:  # the options are right, so it is the decoder that does not bring this z back
            continue
        labels = ["source", *(f"{cosine:.2f}" for cosine in sheet.scores["cosine"][0])]
        sheets.append(replace(sheet, rows=[[source, *sheet.images]], labels={"columns": labels}))
    return sheets


def _rows(way: str, scores: Result, names: Sequence[str], scenes: Sequence[Scene]) -> list[dict[str, Any]]:
    """One row per pair; what differs in it is known of scenes alone."""
    table, arrays = factor_table(scenes), scores.arrays
    return [
        {
            "same to": way,
            "first": names[i],
            "second": names[j],
            "cosine": float(cosine),
            "other cosine": float(other),
            "differs in": ", ".join(
                f for f, column in _FACTORS.items() if scenes and table[column][i] != table[column][j]
            ),
        }
        for (i, j), cosine, other in zip(arrays["pairs"], arrays["cosine"], arrays["other_cosine"], strict=True)
    ]


def _pixels(rows: Sequence[Sequence]) -> np.ndarray:
    """Images as uint8 ``(rows, columns, side, side, 3)``; no rows where there are none."""
    small = [[np.asarray(square(read_image(image), _SIDE)) for image in row] for row in rows]
    return np.array(small, dtype=np.uint8) if small else np.zeros((0, 2, _SIDE, _SIDE, 3), dtype=np.uint8)


def _count(ways: dict[str, Result], other: str) -> str:
    counts = {way: int(scores["count"].value) for way, scores in ways.items()}
    return (
        f"Of {ways['z']['count'].n:,} pairs {counts['z']} are the same to z and different to {other}, "
        f"and {counts['other']} the reverse."
    )


def _differences(table: list[dict[str, Any]], other: str) -> list[str]:
    """What differs in the pairs of each way, where it is known."""
    sentences = []
    for way, way_name in (("z", "z"), ("other", other)):
        rows = [row["differs in"].split(", ") for row in table if row["same to"] == way]
        counts = Counter(factor for factors in rows for factor in factors if factor).most_common()
        if counts:
            (first, most), *other_counts = counts
            differs = ", ".join(
                [f"{first} differs in {most}", *(f"{factor} in {times}" for factor, times in other_counts)]
            )
            sentences.append(f"In the {len(rows)} most extreme pairs that are the same to {way_name}, {differs}.")
    return [" ".join(sentences)] if sentences else []


def _agreement(sheets: list[Pictures], level: float, decodes: int) -> str:
    if not sheets:
        return f"Of {decodes} decodes of each z, fewer than two agree with it (cosine of {level:.2f} or more): no metamers."
    agreeing = sum(int(sheet.arrays["agreeing"]) for sheet in sheets)
    apart = np.mean([sheet.scores["pixel distance"].mean() for sheet in sheets])
    return (
        f"{agreeing} of {decodes * len(sheets)} decodes agree with their z (cosine of {level:.2f} or more; {len(sheets)} images "
        f"with two or more such decodes). The metamers shown differ by {apart:.2f} of the range of a pixel on average."
    )


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """Pairs one above the other, under their two cosines; below, images and metamers of them, under those to z."""
    from matplotlib.figure import Figure

    from clipspace.plot import grid, paper, width

    metamer_names = sorted(name for name in result.arrays if name.startswith("metamers"))
    (other,) = result.labels["other"]
    with paper(venue):
        across = width(venue)
        heights = [0.155 * across + 0.9, 0.08 * across + 0.6][: 1 + bool(metamer_names)]
        figure = Figure(figsize=(across, sum(heights)))
        axes = figure.subplots(len(heights), 2, squeeze=False, height_ratios=heights)
        for ax, way, a, b in zip(axes[0], ("z", "other"), ("z", other), (other, "z"), strict=True):
            _draw_pairs(result, way, f"same to {a},\ndifferent to {b}", ax)
        for ax in axes[1:].flat:
            ax.set_axis_off()
        for ax, name in zip(axes[1:].flat, metamer_names, strict=False):
            ax.set_axis_on()
            grid(result.arrays[name], column_labels=result.labels[name], ax=ax)
            ax.set_title("metamers of one z,\ntheir cosine to it")
    return figure


def caption(result: Result) -> str:
    """What the figure of `draw` shows."""
    (other,), options = result.labels["other"], result.provenance.options
    metamers = (
        f"""Below, metamers: of {options["decodes"]} decodes of one z those that agree with z and differ most in their pixels,
            under the cosine of their embedding to z. To agree, the cosine must be among the highest {100 * options["agree"]:.3g}% of
            those between images."""
        if any(name.startswith("metamers") for name in result.arrays)
        else ""
    )
    return f"""Pairs of images, one above the other, that are the same to the embedding z and different to {other}, and the
        reverse, of all pairs of {options["images"]:,} images. Above each pair are its cosines in z and in {other}; each set is
        centred first, so that 0 is two unrelated images. The same is a cosine among the highest {100 * options["same"]:.3g}%,
        different is one in the lower half. {metamers}"""


def _draw_pairs(result: Result, way: str, title: str, ax: Axes) -> None:
    """Each pair a column."""
    from clipspace.plot import pair_columns, pair_cosines

    cosines = [(row["cosine"], row["other cosine"]) for row in result.table if row["same to"] == way]
    ordered = [pair if way == "z" else pair[::-1] for pair in cosines]
    pair_columns(
        result.arrays[f"same to {way}"], title=title, **pair_cosines(ordered, result.labels["other"][0]), ax=ax
    )
