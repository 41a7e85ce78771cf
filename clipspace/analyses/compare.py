"""What did one encoder gain or lose against another, on the same images?

Similarity is CKA (Kornblith et al. 2019, arXiv 1905.00414) and the share of mutual neighbours (Huh et al. 2024, arXiv
2405.07987), each with its permutation null (arXiv 2602.14486). Factors are compared by the difference of held-out read-outs.
Both spaces are mapped, the second map rotated onto the first. Pairs that are the same to one encoder and different to the
other are found as in MMVP (arXiv 2401.06209), and decoded. The other encoder is an untrained twin unless another is named, so
the question is what training changed.

Look for factors whose interval leaves out 0, for groups that are together on one map and apart on the other, and for what
differs within a pair. Compare each similarity with its null, which is high for few images in many dimensions.

Would contradict expectation: a factor that the other encoder shows better than this one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from clipspace.analyses import Analysis, Cost
from clipspace.analyses.examples import unseen_scenes
from clipspace.analyses.pairs_seen import both_cosines, pair_finding, pair_row, pairs_drawn
from clipspace.errors import InputError
from clipspace.measure.column_structure import drawn_values, most_structured, that_group
from clipspace.points.embeddings import Embeddings
from clipspace.probes.likeness import compare as probe
from clipspace.probes.pairs import pairs_each_way, pixel_points
from clipspace.results.provenance import drawn_with, provenance
from clipspace.results.result import Result
from clipspace.scenes import factor_table, render
from clipspace.search.exact import neighbours
from clipspace.search.maps import pca_map
from clipspace.seeds import child_seed
from clipspace.sources.images import folders_of, list_images

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from clipspace.space import Space

ANALYSIS = Analysis(
    order=170,
    title="Comparison",
    takes=("images",),
    scenes="{images:,} rendered scenes",
    options={
        "n": "Scenes to render, when no images are given.",
        "other": "Encoder to compare with: untrained (a twin with random weights), pixels, or the name of a space.",
        "permutations": "Number of random permutations of the images, for the null distribution.",
        "k": "Pairs to show each way.",
        "same": "Share of all pairs, those with the highest cosines, that counts as the same.",
    },
    quick={"n": 40, "permutations": 19, "other": "pixels", "k": 2, "same": 0.02, "num_inference_steps": 2},
    cost=Cost(steps=320, images=1200, seconds=4.1),
)

_FACTORS = ("thing1", "color1", "texture1", "size1", "x1", "y1", "rotation1", "ground")
_NEAR = 10


def run(
    space: Space,
    images: Sequence | None = None,
    *,
    points: Embeddings | None = None,
    columns: Mapping[str, Sequence] | None = None,
    n: int = 600,
    other: str = "untrained",
    permutations: int = 199,
    k: int = 4,
    same: float = 0.002,
    num_inference_steps: int = 20,
    seed: int = 0,
) -> Result:
    """The space against ``other`` on the user's ``images``, or on ``n`` scenes of one thing.

    ``points`` are the embeddings of ``images``, where they are known. Factors are ``columns`` of the images, else their
    folders, or what is true of scenes. The ``k`` pairs each way are those of `probes.pairs.pairs_each_way`, and below each
    is what the decoders of both spaces, where they have one, draw of it: both images of a pair from one x_T.

    Raises `InputError` for fewer than 20 images.
    """
    scenes = unseen_scenes(n, seed=seed, layout="one") if images is None else []
    sources, names = list_images([render(scene) for scene in scenes] if images is None else images)
    if len(sources) < 2 * _NEAR:
        raise InputError(f"compare: expected {2 * _NEAR} images or more, got {len(sources)}")
    twin, called = _other(space, other, seed)
    first = replace(space.encode_images(sources) if points is None else points, names=names)
    second = replace(pixel_points(sources) if twin is None else twin.encode_images(sources), names=names)
    factors = that_group(_true_factors(scenes) if scenes else columns or folders_of(sources))
    found = probe(first, second, columns=factors, permutations=permutations, seed=seed)
    ways = pairs_each_way(first, second, same=same, k=k, seed=seed)
    colored = most_structured(neighbours(first.unit.astype(np.float64), _NEAR)[1], factors)
    labels, numbers = drawn_values(factors.get(colored, ()))
    maps = [pca_map(one).coordinates for one in (first, second)]
    drawn = {"num_inference_steps": num_inference_steps, "seed": seed}
    decoders = [
        (one, each) for one, each in ((space, first), (twin, second)) if one is not None and one.decoder is not None
    ]
    return Result(
        "compare",
        [*found.table, *(pair_row(way, scores, same) for way, scores in ways.items())],
        [*_findings(found, called), pair_finding(ways, called, factors)],
        {
            **found.arrays, "map": maps[0], "other map": _turned(*maps), **numbers,
            **{f"same to {way}": pairs_drawn(sources, scores, decoders, drawn) for way, scores in ways.items()},
            **{f"cosines, same to {way}": both_cosines(way, scores) for way, scores in ways.items()},
        },
        {
            "names": names, "other": [called], "colored by": [colored or ""], "values": labels,
            "pair rows": ["image"] * 2 + [word for one, _ in decoders for word in [_by(one, space, called)] * 2],
        },
        provenance(
            "compare", space, images=len(sources), other=other, permutations=permutations, k=k, same=same, seed=seed,
            **drawn_with(space, num_inference_steps),
        ),
    )  # fmt: skip


def _other(space: Space, other: str, seed: int) -> tuple[Space | None, str]:
    """The space to compare with, None of pixels, and its name."""
    from clipspace.space import load_space, untrained_space

    if other == "pixels":
        return None, "pixels"
    if other == "untrained":
        twin_seed = child_seed(seed, "untrained twin")
        return untrained_space(space.name, seed=twin_seed, device=str(space.device)), "the untrained twin"
    loaded = load_space(other, device=str(space.device))
    return loaded, loaded.name


def _true_factors(scenes: Sequence) -> dict[str, list]:
    table = factor_table(scenes)
    return {name.removesuffix("1"): table[name] for name in _FACTORS}


def _turned(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """``second`` (n, 2) turned and mirrored onto ``first`` (n, 2), as Procrustes does, and as spread out as it is."""
    from scipy.linalg import orthogonal_procrustes

    first, second = first - first.mean(axis=0), second - second.mean(axis=0)
    return second @ orthogonal_procrustes(second, first)[0] * np.sqrt((first**2).sum() / (second**2).sum())


def _by(space: Space, own: Space, called: str) -> str:
    return "decoded" if space is own else f"by {called}"


def _findings(found: Result, other: str) -> list[str]:
    cka, near = found["linear CKA", None], found["mutual neighbours", None]
    changed, kept = (found["images whose neighbours", variant] for variant in ("changed", "are kept"))
    sentences = [
        f"Linear CKA with {other} is {cka.value:.2f} [{cka.low:.2f}, {cka.high:.2f}], {cka.chance:.2f} by chance (p {cka.p:.3f}); "
        f"{near.value:.0%} of the ten nearest images are the same [{near.low:.0%}, {near.high:.0%}], {near.chance:.0%} by chance.",
        f"{changed.value:.0%} of {changed.n} images have neighbours that changed by more than uniform noise explains (noise of "
        f"{found.provenance.options['noise']:.2f} of the difference between two images); {kept.value:.0%} keep more than by chance.",
    ]
    gained = [row for row in found if row.score == "skill gained"]
    for word, rows in (
        ("loses", [row for row in gained if row.high < 0]),
        ("gains", [row for row in gained[::-1] if row.low > 0]),
    ):
        if rows:
            told = ", ".join(f"{row.variant} ({row.a:.2f} to {row.b:.2f})" for row in rows)
            sentences.append(f"Compared with this space, {other} {word} held-out skill for: {told}.")
    return sentences


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """Similarities and factors; both maps, the second turned onto the first; pairs, and what is decoded of them."""
    from matplotlib.figure import Figure

    from clipspace.plot import pair_columns, pair_cosines, paper, width

    (other,), rows = result.labels["other"], result.labels["pair rows"]
    most = max(len(result.arrays[f"same to {way}"]) for way in ("z", "other"))
    with paper(venue):
        across = width(venue)
        heights = [0.34 * across, 0.42 * across, 0.4 * across * len(rows) / max(most, 4) * (most > 0) + 0.7]
        figure = Figure(figsize=(across, sum(heights)))
        scores, maps, pairs = figure.subfigures(3, 1, height_ratios=heights)
        _draw_scores(result, other, scores)
        _draw_maps(result, other, maps)
        axes = pairs.subplots(1, 2)
        for ax, way, a, b in zip(axes, ("z", "other"), ("z", other), (other, "z"), strict=True):
            marks = pair_cosines(result.arrays[f"cosines, same to {way}"], other) | {"row_labels": rows}
            title = f"same to {a},\ndifferent to {b}"
            pair_columns(result.arrays[f"same to {way}"], title=title, **marks, ax=ax)
    return figure


def caption(result: Result) -> str:
    """What the figure of `draw` shows."""
    (other,), (colored,), options = result.labels["other"], result.labels["colored by"], result.provenance.options
    factors = (
        f"""Right, what {other} holds more of than z (above 0) or less: the difference in held-out skill of one probe on both (0
            is chance, 1 perfect); the skill in z → in the other stands after each name."""
        if any(row["score"] == "skill gained" for row in result.table)
        else ""
    )
    decoded = "Rows below a pair are what a decoder draws of it." if "decoded" in result.labels["pair rows"] else ""
    return f"""The space against {other} on the same {options["images"]:,} images. Above left, how alike the two are (1 is the
        same), beside chance in grey: the mean over {options["permutations"]} random pairings of the images. {factors} Lines are
        95 % intervals over images. Middle, the first two principal components of both, the second turned and scaled onto the
        first {f", in the colours of {colored}" if colored else ""}. Below, pairs that one calls the same (a cosine among the
        highest {100 * options["same"]:.3g}%) and the other does not (one in the lower half); each set is centred first. {decoded}"""


def _draw_scores(result: Result, other: str, figure: SubFigure) -> None:
    """Similarities beside their null, and factors gained and lost with their skill in both."""
    from clipspace.plot import intervals, number, spelt
    from clipspace.plot.axes import AS_WRITTEN

    similar = [row for row in result.table if row["p"] is not None]
    gained = [row for row in result.table if row["score"] == "skill gained"]
    names = [f"{spelt(row['variant'])}, {number(row['a'])} → {number(row['b'])}" for row in gained]
    left, *right = figure.subplots(1, 1 + bool(gained), squeeze=False)[0]
    series = [(left, [row["score"] for row in similar], similar), *((ax, names, gained) for ax in right)]
    for ax, labels, rows in series:
        ends = {name: [row[name] for row in rows] for name in ("low", "high", "chance")}
        intervals(labels, [row["value"] for row in rows], **ends, ax=ax)
    left.set(xlabel="similarity\n(grey: chance)", xlim=(min(0, *left.get_xlim()), 1.03))
    for ax in right:
        ax.set_xlabel(f"change in skill, z → {other}\n(grey: none)", loc="right", **AS_WRITTEN)


def _draw_maps(result: Result, other: str, figure: SubFigure) -> None:
    """The same images twice, in the colours of one column, whose legend both share."""
    from clipspace.plot import scatter, spelt
    from clipspace.plot.axes import AS_WRITTEN

    column = result.labels["values"] or result.arrays.get("numbers")
    maps: list[tuple[str, str, Axes]] = [*zip(("map", "other map"), ("z", other), figure.subplots(1, 2), strict=True)]
    both = np.concatenate([result.arrays["map"], result.arrays["other map"]])
    low, high = both.min(axis=0), both.max(axis=0)
    margin = 0.03 * (high - low).max()
    for name, title, ax in maps:
        scatter(result.arrays[name], column=column, ax=ax)
        if ax.get_legend() and name == "map":
            ax.get_legend().remove()
        ax.set(xlim=(low[0] - margin, high[0] + margin), ylim=(low[1] - margin, high[1] + margin))
        (colored,) = result.labels["colored by"]
        ax.set_title(f"{title}, by {spelt(colored)}" if colored else title, **AS_WRITTEN)
