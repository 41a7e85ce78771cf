"""How many directions does the space use?

DALL-E 2 (Ramesh et al. 2022, arXiv 2204.06125, section 2.2) keeps 319 of 1,024 principal components and nearly all of the
variance, and attributes this to training with SAM. Participation ratio, effective rank (Roy & Vetterli 2007) and estimates of
the intrinsic dimension summarise the spectrum in one number each.

Look for the place where the eigenvalues fall off: a PCA of embeddings can drop the components beyond it. Images and captions
need different numbers of components where one of the two is richer than the other.

Would contradict expectation: a spectrum that does not fall, so that all dimensions are needed, or one component that holds
nearly everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from clipspace.analyses import Analysis, Cost
from clipspace.analyses.examples import captions_of, unseen_scenes
from clipspace.measure.spectrum import components_for
from clipspace.points.embeddings import Embeddings
from clipspace.probes.directions import geometry
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.scenes import render

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from clipspace.space import Space

ANALYSIS = Analysis(
    order=100,
    title="Spectrum",
    takes=("points",),
    scenes="{images:,} rendered scenes and captions of them",
    options={
        "n": "Scenes to render, when no images and no store are given.",
    },
    quick={"n": 150},
    cost=Cost(steps=0, images=3000, seconds=8.0),
)

SHARES = (0.9, 0.95, 0.99)
_KINDS = {"image": "images", "prior": "images", "text": "texts"}


def run(
    space: Space,
    images: Sequence | None = None,
    *,
    points: Embeddings | None = None,
    n: int = 3000,
    seed: int = 0,
) -> Result:
    """Spectrum and dimension of ``points``, or of the embeddings of ``images``; or of ``n`` scenes, and of captions of them."""
    if points is not None:
        sets = {_KINDS[points.modality]: points}
    elif images is None:
        scenes = unseen_scenes(n, seed=seed)
        texts = list(dict.fromkeys(captions_of(scenes, seed=seed)))
        sets = {
            "images": space.encode_images([render(scene) for scene in scenes]),
            "captions": space.encode_texts(texts),
        }
    else:
        sets = {"images": space.encode_images(images)}
    scores_by_set = {name: geometry(embedded, seed=seed) for name, embedded in sets.items()}
    values = np.stack([scores.arrays["spectrum"] for scores in scores_by_set.values()])
    shares = values / values.sum(axis=1, keepdims=True)
    needed = [[components_for(row, share) for share in SHARES] for row in values]
    return Result(
        "spectrum",
        [{"set": name, **row} for name, scores in scores_by_set.items() for row in scores],
        [_finding(name, scores, values.shape[1]) for name, scores in scores_by_set.items()],
        {"shares": shares, "cumulative": np.cumsum(shares, axis=1), "needed": np.array(needed)},
        {"sets": list(scores_by_set), "levels": [f"{share:.0%}" for share in SHARES]},
        provenance("spectrum", space, **{name: len(embedded) for name, embedded in sets.items()}, seed=seed),
    )


def _finding(name, scores, d: int) -> str:
    half, most = scores["components", "90%"].value, scores["components", "99%"].value
    text = (
        f"Of {d} dimensions {name} use {half:.0f} for 90 % of their variance and {most:.0f} for 99 %; "
        f"participation ratio {scores['participation ratio', None].value:.1f}, "
        f"effective rank {scores['effective rank', None].value:.1f}."
    )
    n = scores["effective rank", None].n
    return text if n > d else f"{text} With {n} points these are lower bounds."


_FLOOR = 1e-5
"""Smallest share of the variance that is drawn."""
_DOTS = "o^s"


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """Left the variance of each component, right the cumulative variance; marks are at 90, 95 and 99 %."""
    from matplotlib.figure import Figure

    from clipspace.plot import COLORS, curves, paper, width
    from clipspace.plot.axes import legend

    shares, cumulative, needed = result.arrays["shares"], result.arrays["cumulative"], result.arrays["needed"]
    names, levels = list(result.labels["sets"]), result.labels["levels"]
    components = np.arange(1, shares.shape[1] + 1)
    with paper(venue):
        across = width(venue)
        figure = Figure(figsize=(across, 0.42 * across))
        left, right = figure.subplots(1, 2)
        last = max(10, np.flatnonzero((shares > _FLOOR).any(axis=0)).max() + 1)
        left.set(
            yscale="log",
            xlim=(0, 1.05 * last),
            ylim=(_FLOOR, 1),
            xlabel="component, by variance",
            ylabel="share of the variance",
        )
        curves(components, dict(zip(names, shares, strict=True)), ends=False, ax=left)
        right.set(xlabel="number of first components", ylabel="cumulative share")
        right.set(xlim=(0, 1.4 * needed.max()), ylim=(0, 1.03))
        curves(components, dict(zip(names, cumulative, strict=True)), ends=False, ax=right)
        right.get_legend().remove()
        marks = []
        for counts, cumulative_share, color in zip(needed, cumulative, COLORS, strict=False):
            for count, marker in zip(counts, _DOTS, strict=True):
                right.plot(
                    count, cumulative_share[count - 1], marker, color=color, markersize=5, markeredgecolor="white"
                )
        for level, marker, counts in zip(levels, _DOTS, needed.T, strict=True):
            label = f"{level}: {', '.join(map(str, counts))}"
            marks += right.plot([], [], marker, color="0.15", markersize=5, label=label)
        legend(right, marks, loc="lower right", title=f"reached at ({', '.join(names)})", title_fontsize="small")
    return figure


def caption(result: Result) -> str:
    """What the figure of `draw` shows."""
    from clipspace.plot import estimate

    d, options = result.arrays["shares"].shape[1], result.provenance.options
    rows = result.table.where(score="effective rank")
    sets = "; ".join(
        f"{row.set}: {options[row.set]:,} points, effective rank {estimate(row.value, row.low, row.high, digits=1)}"
        for row in rows
    )
    return f"""Variance of unit embeddings of {d} dimensions along their principal components. Left, the share of each
        component; the scale is logarithmic and ends at 10⁻⁵; if all directions were alike, each would have {1 / d:.1g}. Right,
        the share of the first components together, marked where it reaches {", ".join(result.labels["levels"])}. {sets} (95 %
        intervals in brackets)."""
