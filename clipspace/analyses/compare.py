"""What did one encoder gain or lose against another, on the same images?

CKA (Kornblith et al. 2019, arXiv 1905.00414) and mutual neighbours (Huh et al. 2024, arXiv 2405.07987) beside their
permutation null (arXiv 2602.14486); factors by the difference of held-out read-outs; and maps of both, the second turned
onto the first. The other encoder is an untrained twin unless another is named, so the question is what training changed.

Look for factors whose interval does not hold 0, and for groups that are together on one map and apart on the other. A
similarity says little without its null, which is high for few images in many dimensions.

A surprise would be a factor that the other encoder reads better: this one was given no reason to keep it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clipspace.analyses import Analysis
from clipspace.analyses.examples import unseen_scenes
from clipspace.errors import CapabilityError, InputError
from clipspace.measure.column_structure import column as read_column
from clipspace.measure.column_structure import most_structured
from clipspace.points.embeddings import Embeddings
from clipspace.probes.likeness import compare as probe
from clipspace.probes.pairs import pixel_points
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.scenes import factor_table, render
from clipspace.search.exact import neighbours
from clipspace.search.maps import pca_map
from clipspace.seeds import child_seed
from clipspace.sources.images import list_images

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from clipspace.space import Space

ANALYSIS = Analysis(
    order=170,
    title="Comparison",
    takes=("points",),
    scenes="{images:,} rendered scenes",
    options={
        "n": "Scenes to render, when no images and no store are given.",
        "other": "Encoder to compare with: untrained (a twin with random weights), pixels, or the name of a space.",
        "permutations": "Random orders of the images that make the null.",
    },
    quick={"n": 40, "permutations": 19, "other": "pixels"},
)

_FACTORS = ("thing1", "color1", "texture1", "size1", "x1", "y1", "rotation1", "ground")
_NEAR = 10


def run(
    space: Space,
    images: Sequence | None = None,
    *,
    points: Embeddings | None = None,
    rows: Sequence[int] | None = None,
    columns: Mapping[str, Sequence] | None = None,
    n: int = 600,
    other: str = "untrained",
    permutations: int = 199,
    seed: int = 0,
) -> Result:
    """The space against ``other`` on the user's ``images``, or on ``n`` scenes of one thing.

    ``points`` are embeddings with ``columns`` of which ``images`` show ``rows``; only these are compared. Factors are
    the ``columns``, the folders of images, or what is true of scenes. Raises `CapabilityError` where no image can be read.
    """
    if images is None and points is not None:
        raise CapabilityError("compare: expected images to encode with the other encoder, got vectors alone")
    scenes = unseen_scenes(n, seed=seed, layout="one") if images is None else []
    sources, names = list_images([render(scene) for scene in scenes] if scenes else images)
    if len(sources) < 2 * _NEAR:
        raise InputError(f"compare: expected {2 * _NEAR} images or more, got {len(sources)}")
    if points is None:
        points, factors = space.encode_images(sources), _known(scenes, sources)
    else:
        points = points[list(rows)]
        factors = {name: [values[row] for row in rows] for name, values in (columns or {}).items()}
    second, called = _other(space, other, sources, seed)
    found = probe(points, second, columns=factors, permutations=permutations, seed=seed)
    maps = [pca_map(one).coordinates for one in (points, second)]
    near = neighbours(points.unit.astype(np.float64), _NEAR)[1]
    colored = most_structured(near, factors)
    held = read_column(factors[colored]) if colored else {}
    shown = [held["labels"][code] if code >= 0 else "" for code in held["codes"]] if "labels" in held else []
    return Result(
        "compare",
        found.table,
        _findings(found, called),
        {**found.arrays, "map": maps[0], "other map": _turned(*maps)},
        {"names": names, "other": [called], "colored by": [colored or ""], "values": shown},
        provenance("compare", space, images=len(sources), other=other, permutations=permutations, seed=seed),
    )


def _other(space: Space, other: str, sources: Sequence, seed: int) -> tuple[Embeddings, str]:
    """The embeddings of the same images by another encoder, and its name."""
    from clipspace.space import load_space, untrained_space

    if other == "pixels":
        return pixel_points(sources), "pixels"
    if other == "untrained":
        twin = untrained_space(space.name, seed=child_seed(seed, "untrained twin"), device=str(space.device))
        return twin.encode_images(sources), "the untrained twin"
    loaded = load_space(other, device=str(space.device), decoder=None)
    return loaded.encode_images(sources), loaded.name


def _known(scenes: Sequence, sources: Sequence) -> dict[str, list]:
    """What is true of scenes, or the folders of files where there are several."""
    if scenes:
        table = factor_table(scenes)
        return {name.removesuffix("1"): table[name] for name in _FACTORS}
    folders = [Path(source).parent.name for source in sources if isinstance(source, (str, Path))]
    return {"folder": folders} if len(folders) == len(sources) and len(set(folders)) > 1 else {}


def _turned(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """``second`` (n, 2) turned, mirrored and scaled onto ``first`` (n, 2), as Procrustes does."""
    from scipy.linalg import orthogonal_procrustes

    first, second = first - first.mean(axis=0), second - second.mean(axis=0)
    turn, strength = orthogonal_procrustes(second, first)
    return second @ turn * (strength / (second**2).sum())


def _findings(found: Result, other: str) -> list[str]:
    cka, near = found["linear CKA", None], found["mutual neighbours", None]
    changed = found["images whose neighbours", "changed"]
    sentences = [
        f"Linear CKA with {other} is {cka.value:.2f} [{cka.low:.2f}, {cka.high:.2f}], {cka.chance:.2f} by chance (p {cka.p:.3f}); of "
        f"ten nearest images {near.value:.0%} are the same [{near.low:.0%}, {near.high:.0%}], {near.chance:.0%} by chance.",
        f"Of {changed.n} images {changed.value:.0%} have neighbours that changed more than even noise would change them.",
    ]
    gained = [row for row in found if row.score == "skill gained"]
    for word, rows in (
        ("loses", [row for row in gained if row.high < 0]),
        ("gains", [row for row in gained[::-1] if row.low > 0]),
    ):
        if rows:
            told = ", ".join(f"{row.variant} ({row.a:.2f} to {row.b:.2f})" for row in rows)
            sentences.append(f"Against this space {other} {word}, in held-out skill: {told}.")
    return sentences


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """Above similarities beside their null, and factors gained and lost; below both maps, the second turned onto the first."""
    from matplotlib.figure import Figure

    from clipspace.plot import intervals, paper, scatter, width
    from clipspace.plot.axes import AS_WRITTEN

    (other,), (colored,), values = result.labels["other"], result.labels["colored by"], result.labels["values"] or None
    similar = [row for row in result.table if row["p"] is not None]
    gained = [row for row in result.table if row["score"] == "skill gained"]
    with paper(venue):
        across = width(venue)
        figure = Figure(figsize=(across, 0.85 * across))
        (left, right), maps = figure.subplots(2, 2, height_ratios=[1, 1.4])
        for ax, rows, key in ((left, similar, "score"), (right, gained, "variant")):
            ends = {name: [row[name] for row in rows] for name in ("low", "high", "chance")}
            intervals([row[key] for row in rows], [row["value"] for row in rows], **ends, ax=ax)
        left.set(xlabel="similarity; grey: chance", xlim=(min(0, *left.get_xlim()), 1.03))
        right.set_xlabel("skill lost (below 0), gained", **AS_WRITTEN)
        for ax, name, title in zip(maps, ("map", "other map"), ("z", other), strict=True):
            scatter(result.arrays[name], column=values, ax=ax)
            if values:  # of both maps the colours are the same, and the legend would take their room
                ax.get_legend().remove()
            ax.set_title(f"{title}, by {colored}" if values else title, **AS_WRITTEN)
    return figure
