"""Which factors of an image are in its embedding, and does the decoder bring them back?

Section 3 of DALL-E 2 (Ramesh et al. 2022, arXiv 2204.06125) answers by looking: what stays the same over decodes of
one embedding was in it. Here each factor has a number, its interval, and three controls: chance, random weights of
the same architecture, and the cycle E(D(z)).

Look for the order of the factors and, in scenes, for its agreement with what their captions say (those that the mini
space was trained on; another CLIP was trained on others). A bar is the mean of three marks: the factor read out of z by a
linear map, read out by nearest neighbours, and how far z moves when that factor alone changes. Where the cycle falls
short of the read-out, the decoder cannot draw the factor, and its images say nothing of CLIP.

A surprise would be a factor that captions never mention above one that they always do; or a factor that random weights
keep as well as trained ones, for then training did not put it there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from clipspace.analyses import Analysis
from clipspace.analyses.examples import unseen_scenes
from clipspace.errors import InputError
from clipspace.probes.factors import Factor, augmentation_factors, rank_agreement, scene_factors
from clipspace.probes.factors import retention as probe
from clipspace.probes.factors.readout import FEWEST
from clipspace.results.pictures import stacked
from clipspace.results.provenance import drawn_with, provenance
from clipspace.results.result import Result
from clipspace.scenes import MENTIONS
from clipspace.seeds import child_seed
from clipspace.sources.images import list_images, read_image, square

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from clipspace.space import Space

ANALYSIS = Analysis(
    order=90,
    title="Retention",
    takes=("images",),
    scenes="{images:,} rendered scenes",
    options={
        "n": "Scenes to render, when no images are given.",
        "pairs": "Pairs of images that differ in one factor alone, for each factor.",
        "controls": "Untrained spaces of the same architecture to compare with.",
        "decoded": "Rendered scenes that are decoded and read again.",
        "decodes": "Decodes of each of those scenes.",
    },
    quick={"n": 150, "pairs": 3, "decoded": 3, "decodes": 1, "num_inference_steps": 2},
)

_WITH_INTERVALS = ("retention", "recovery", "cycle")
_COMPONENTS = ("linear", "neighbours", "sensitivity", "consistency", "recovery", "reader", "cycle")
_SIDE = 64
_CANDIDATES = 8
_HALF = 0.5
"""Skill (0 is chance, 1 perfect) above which a factor counts as held, or as brought back."""


def run(
    space: Space,
    images: Sequence | None = None,
    *,
    n: int = 1200,
    pairs: int = 100,
    controls: int = 1,
    decoded: int = 16,
    decodes: int = 2,
    num_inference_steps: int = 20,
    seed: int = 0,
) -> Result:
    """Factors of ``n`` scenes, from kept to ignored; of the user's ``images``, the changes that we can make to them.

    ``controls`` untrained spaces of the same architecture are measured beside it. Recovery, on ``decoded`` scenes,
    needs factors that can be read off images and a decoder; without either it is left out.
    """
    pictures, candidates = _scenes(n, seed) if images is None else _augmented(images, space.encoder.image_size, seed)
    factors = {factor.name: factor for factor in candidates if _is_measurable(factor)}
    if not factors:
        raise InputError(f"retention: expected at least {FEWEST} images, and labels that repeat, got {len(pictures)}")
    twins = _untrained_twins(space, controls, seed)
    options = {"pairs": pairs, "seed": seed}
    looking = {"decoded": decoded, "decodes": decodes, "num_inference_steps": num_inference_steps}
    sampling = drawn_with(space, num_inference_steps)
    if images is not None or space.decoder is None:
        looking, sampling = {}, {}
    scores = probe(space, pictures, factors=list(factors), **options, **looking)
    untrained = _mean_retention([probe(twin, pictures, factors=list(factors), **options) for twin in twins])
    mentions = {name: _in_words(name) for name in scores.labels["factors"] if images is None}
    unmeasured = [factor.name for factor in candidates if factor.name not in factors]
    missing = [f"Too few images to measure: {', '.join(unmeasured)}."] if unmeasured else []
    return Result(
        "retention",
        factor_rows(scores, captions=mentions, untrained=untrained),
        [_order(scores, mentions), *_training(scores, untrained), *_decoder(scores), *missing],
        {"examples": stacked([_example(factors[name], seed) for name in scores.labels["factors"]])},
        {"factors": [name.replace("_", " ") for name in scores.labels["factors"]]},
        provenance("retention", space, images=len(pictures), controls=controls, **options, **looking | sampling),
    )


def factor_rows(result: Result, **columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row per factor, from kept to ignored: ``columns`` of it, then every component, None where it has none."""
    measures = ("value", "low", "high", "n")
    wide = {
        measure: {row.factor: row for row in result.table.pivot("factor", "component", measure)} for measure in measures
    }
    return [
        {
            "factor": factor,
            **{name: column.get(factor) for name, column in columns.items()},
            **{name: wide["value"][factor].get(name) for name in ("retention", *_COMPONENTS)},
            **{
                f"{name} {measure}": wide[measure][factor].get(name)
                for name in _WITH_INTERVALS
                for measure in ("low", "high")
            },
            "n": wide["n"][factor]["retention"],
        }
        for factor in result.labels["factors"]
    ]


def _untrained_twins(space: Space, n: int, seed: int) -> list[Space]:
    """``n`` spaces of the same architecture with random weights."""
    from clipspace.space import untrained_space

    seeds = [child_seed(seed, "untrained twin", i) for i in range(n)]
    return [untrained_space(space.name, seed=twin_seed, device=str(space.device)) for twin_seed in seeds]


def _scenes(n: int, seed: int) -> tuple[list[Any], list[Factor]]:
    scenes = unseen_scenes(n, seed=seed)
    return scenes, scene_factors(scenes)


def _augmented(images: Sequence, side: int, seed: int) -> tuple[list[Any], list[Factor]]:
    """The images as squares of ``side`` pixels, read one by one, and the changes that the probe makes to them."""
    squares = [square(read_image(source), side) for source in list_images(images)[0]]
    return squares, augmentation_factors(squares, side=side, seed=seed)


def _is_measurable(factor: Factor) -> bool:
    """Whether there are enough images of it, and each label is there to learn from and to test on."""
    values = [factor.values[i] for i in factor.rows]
    return len(values) >= FEWEST and (isinstance(values[0], float) or min(Counter(values).values()) > 1)


def _example(factor: Factor, seed: int) -> list[Image.Image]:
    """An image and its counterfactual: of a few, the two that differ most."""
    assert factor.change is not None
    rows = np.random.default_rng([seed, 12, *factor.name.encode()]).permutation(factor.rows)[:_CANDIDATES]
    pairs_of_images = [
        (factor.image(int(i)), factor.change(int(i), np.random.default_rng([seed, int(i)]))[0]) for i in rows
    ]
    pairs = [[square(image, _SIDE) for image in pair] for pair in pairs_of_images]
    return max(pairs, key=lambda pair: np.abs(np.subtract(*(np.asarray(image, dtype=float) for image in pair))).sum())


def _mean_retention(controls: Sequence[Result]) -> dict[str, float]:
    """Mean retention of each factor over untrained spaces; nothing without any."""
    scores = [{row.factor: row.value for row in control.where(component="retention")} for control in controls]
    return {name: float(np.mean([score[name] for score in scores])) for name in scores[0]} if scores else {}


def _in_words(factor: str) -> str:
    return {0.0: "never", 1.0: "always"}.get(MENTIONS[factor], "sometimes")


def _order(scores: Result, mentions: dict[str, str]) -> str:
    """From kept to ignored; where captions say some factors always, some at times and some never, by how often."""
    by_factor = {row.factor: row for row in scores.where(component="retention")}
    if set(mentions.values()) != {"always", "sometimes", "never"}:
        first, last = scores.labels["factors"][0], scores.labels["factors"][-1]
        return f"Of {first} z keeps {by_factor[first].value:.2f}, of {last} {by_factor[last].value:.2f}."
    ranges = []
    for frequency in ("always", "sometimes", "never"):
        values = [by_factor[name].value for name in scores.labels["factors"] if mentions[name] == frequency]
        ranges.append(f"{min(values):.2f} to {max(values):.2f} of what captions {frequency} say")
    unsaid = max(by_factor[name].high for name in scores.labels["factors"] if mentions[name] == "never")
    ignored = [name for name in scores.labels["factors"] if mentions[name] != "never" and by_factor[name].low <= unsaid]
    agreement = rank_agreement(scores, MENTIONS, over="factors")["retention"]
    return (
        f"z keeps {', '.join(ranges)}: Spearman's rho is {agreement.value:.2f} "
        f"(95 % {agreement.low:.2f} to {agreement.high:.2f}, over other factors too)."
        + (f" Said and yet kept no better than what is never said: {', '.join(ignored)}." if ignored else "")
    )


def _training(scores: Result, untrained: dict[str, float]) -> list[str]:
    """What training added and removed, compared with an untrained space, where there is one."""
    if not untrained:
        return []
    retention = {row.factor: row.value for row in scores.where(component="retention")}
    gains = {name: retention[name] - untrained[name] for name in retention}
    most, least = max(gains, key=gains.__getitem__), min(gains, key=gains.__getitem__)
    gained = f"{most} ({untrained[most]:.2f} to {retention[most]:.2f})"
    lost = f"{least} ({untrained[least]:.2f} to {retention[least]:.2f})"
    if retention[most] <= untrained[most]:
        return ["No factor is kept better than by random weights of the same architecture."]
    down = (
        f"took most from {lost}" if retention[least] < untrained[least] else f"took from none, adding least to {lost}"
    )
    return [f"Beside random weights of the same architecture, training added most to {gained} and {down}."]


def _decoder(scores: Result) -> list[str]:
    """Whether decodes lose what z holds, and whether the decoder is to blame, where anything was decoded."""
    if "recovery" not in scores.column("component"):
        return []
    linear, recovery, cycle = (
        {row.factor: row.value for row in scores.where(component=name)} for name in ("linear", "recovery", "cycle")
    )
    readable = [name for name in recovery if linear[name] >= _HALF]
    lost = [name for name in readable if recovery[name] < _HALF]
    if not lost:
        return [f"Decodes bring back what can be read out of z: {', '.join(readable) or 'nothing can'}."]
    values = ", ".join(f"{name} (recovery {recovery[name]:.2f}, cycle {cycle[name]:.2f})" for name in lost)
    blame = "the decoder's failure, not CLIP's" if all(cycle[name] < _HALF for name in lost) else "to be read with care"
    return [f"Of what can be read out of z, decodes do not bring back {values}: {blame}."]


_COLOR = {"always": 0, "sometimes": 5, "never": 4}  # index into plot.COLORS, by how often captions say a factor
_LEFT = -0.2
"""Smallest skill drawn; marks of smaller skills are put there."""
_PARTS = {"linear": "o", "neighbours": "^", "sensitivity": "D"}


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """Images of each factor; how much of it z keeps; recovery beside the cycle, where there is a decoder."""
    from matplotlib.figure import Figure

    from clipspace.plot import grid, paper, width

    names, across = result.labels["factors"], width(venue)
    decoded = any(value is not None for value in result.column("recovery"))
    with paper(venue):
        figure = Figure(figsize=(across, 0.25 * len(names) + 1.1))
        left, middle, *right = figure.subplots(1, 2 + decoded, width_ratios=[0.6, 2.4, *[1.2] * decoded])
        grid(result.arrays["examples"], row_labels=names, ax=left).set_anchor("E")
        _draw_kept(result, middle)
        for ax in right:
            _draw_brought_back(result, ax)
        figure.legend(
            handles=_legend(result, [middle, *right]),
            loc="outside lower center",
            ncols=4,
            handlelength=1.2,
            columnspacing=1.2,
        )
    return figure


def _draw_kept(result: Result, ax: Axes) -> None:
    """The score as a bar, its parts as small marks, and the score of random weights."""
    from clipspace.plot import COLORS, intervals

    none = [""] * len(result.table)
    low, high = result.column("retention low"), result.column("retention high")
    bar_colors = [COLORS[_COLOR.get(often, 5)] for often in result.column("captions")]
    intervals(none, result.column("retention"), low=low, high=high, color=bar_colors, bars=True, ax=ax)
    for component, marker in _PARTS.items():
        drawn_values = [None if value is None else max(value, _LEFT) for value in result.column(component)]
        intervals(none, drawn_values, marker=marker, size=4, color="0.15", label=component, ax=ax)
    intervals(none, result.column("untrained"), marker="|", size=9, color=COLORS[1], label="random weights", ax=ax)
    ax.axvline(0, color="0.15", linewidth=0.6)
    ax.set(title="kept in z", xlabel="bar: mean of the three marks")


def _draw_brought_back(result: Result, ax: Axes) -> None:
    """What readers find in decodes, beside what a linear map finds in E(D(z))."""
    from clipspace.plot import COLORS, intervals

    none = [""] * len(result.table)
    for name, marker, color, offset in (("recovery", "s", COLORS[2], -0.17), ("cycle", "o", COLORS[3], 0.17)):
        low, high = result.column(f"{name} low"), result.column(f"{name} high")
        series = {"low": low, "high": high, "marker": marker, "color": color, "label": name, "offset": offset}
        intervals(none, result.column(name), size=4.5, **series, ax=ax)
    ax.axvline(0, color="0.15", linewidth=0.6)
    ax.grid(axis="y", color="0.9", linewidth=0.6)
    ax.set(title="brought back", xlabel="skill; 0 is chance", xlim=(max(3 * _LEFT, ax.get_xlim()[0]), 1.1))


def _legend(result: Result, axes: list[Axes]) -> list:
    """What captions say of the factors that are there, then every mark."""
    from matplotlib.patches import Patch

    from clipspace.plot import COLORS

    frequencies = [often for often in _COLOR if often in result.column("captions")]
    patches = [Patch(color=COLORS[_COLOR[often]], label=f"captions {often} say it") for often in frequencies]
    return patches + [handle for ax in axes for handle in ax.get_legend_handles_labels()[0]]
