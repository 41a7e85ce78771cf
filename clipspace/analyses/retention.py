"""Which factors of an image are in its embedding, and does the decoder draw them again?

Section 3 of DALL-E 2 (Ramesh et al. 2022, arXiv 2204.06125) answers by looking: what stays the same over decodes of one
embedding was in it. Here each factor has two numbers. *Availability*: how well it can be predicted from z. It is the skill (0
is chance, 1 no error) of the best of three read-outs (linear, nearest neighbours, a small perceptron), divided by the best
skill on anything, the scene's own description and its pixels included. *Sensitivity*: how far z moves when this factor alone
is drawn again. A factor that moves z little may be kept perfectly, so the two are never averaged. The same read-outs of the
features before the projection, and of random weights of the same architecture, are shown for comparison.

Look at the order of the factors and, for scenes, at its agreement with how often captions mention them (the captions of the
mini space; another CLIP was trained on others). A factor that the features show and z does not was lost by the last linear
map. A factor that no read-out finds in anything made from the image is "not measurable here": neither kept nor ignored. Where
the cycle E(D(z)) shows less of a factor than z does, the decoder cannot draw it, and its images say nothing about CLIP.

Would contradict expectation: a factor that captions never mention above one that they always mention, or a factor that random
weights keep as well as trained ones. Then training did not put it there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from clipspace.analyses import Analysis, Cost
from clipspace.analyses.examples import unseen_scenes
from clipspace.errors import InputError
from clipspace.measure.cross_fitting import CAPACITIES
from clipspace.probes.factors import Factor, augmentation_factors, rank_agreement, scene_factors
from clipspace.probes.factors import retention as probe
from clipspace.probes.factors.layers import EMBEDDING, FEATURES
from clipspace.probes.factors.probe import DECODES
from clipspace.probes.factors.readout import FEWEST
from clipspace.results.pictures import stacked
from clipspace.results.provenance import drawn_with, provenance
from clipspace.results.result import Result
from clipspace.scenes import MENTIONS, ImpossibleChange
from clipspace.seeds import child_seed, stream
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
        "perceptron": "Also use a small perceptron as read-out; it takes most of the time.",
        "decoded": "Rendered scenes that are decoded and given to readers.",
        "decodes": "Decodes of each of these scenes.",
    },
    quick={
        "n": 150,
        "pairs": 3,
        "controls": 0,
        "perceptron": False,
        "decoded": 3,
        "decodes": 1,
        "num_inference_steps": 2,
    },
    cost=Cost(steps=3500, images=8000, seconds=200.0),
)

_WITH_INTERVALS = ("availability", "best", "sensitivity", "recovery", "cycle")
_COMPONENTS = (
    "availability", "best", "linear", "neighbours", "mlp", "selectivity", "bits", "sensitivity", "consistency", "variance",
    "recovery", "reader", "cycle",
)  # fmt: skip
_SIDE = 64
_CANDIDATES = 8
_LOST = 0.1
"""Skill that the projection must drop before it is said."""
_HALF = 0.5
"""Skill (0 is chance, 1 perfect) above which a factor counts as held, or as brought back."""


def run(
    space: Space,
    images: Sequence | None = None,
    *,
    n: int = 1200,
    pairs: int = 100,
    controls: int = 1,
    perceptron: bool = True,
    decoded: int = 16,
    decodes: int = 2,
    num_inference_steps: int = 20,
    seed: int = 0,
) -> Result:
    """Factors of ``n`` scenes, from available to not; of the user's ``images``, the changes that we can make to them.

    ``controls`` untrained spaces of the same architecture are measured beside it. Recovery, on ``decoded`` scenes,
    needs factors that can be read off images and a decoder; without either it is left out.
    """
    pictures, candidates = _scenes(n, seed) if images is None else _augmented(images, space.encoder.image_size, seed)
    factors = {factor.name: factor for factor in candidates if _is_measurable(factor)}
    if not factors:
        raise InputError(f"retention: expected at least {FEWEST} images, and labels that repeat, got {len(pictures)}")
    twins = {f"untrained {i + 1}": twin for i, twin in enumerate(_untrained_twins(space, controls, seed))}
    capacities = CAPACITIES if perceptron else tuple(name for name in CAPACITIES if name != "mlp")
    options = {"pairs": pairs, "seed": seed}
    looking = {"decoded": decoded, "decodes": decodes, "num_inference_steps": num_inference_steps}
    sampling = drawn_with(space, num_inference_steps)
    if images is not None or space.decoder is None:
        looking, sampling = {}, {}
    scores = probe(space, pictures, factors=list(factors), controls=twins, capacities=capacities, **options, **looking)
    mentions = {name: _in_words(name) for name in scores.labels["factors"] if images is None}
    untrained = _untrained(scores, list(twins))
    unmeasured = [factor.name for factor in candidates if factor.name not in factors]
    missing = [f"Too few images to measure: {', '.join(unmeasured)}."] if unmeasured else []
    return Result(
        "retention",
        factor_rows(scores, captions=mentions, untrained=untrained),
        [*_order(scores, mentions), *_layers(scores), *_training(scores, untrained), *_decoder(scores), *missing],
        {"examples": stacked([_example(factors[name], seed) for name in scores.labels["factors"]])},
        {"factors": [name.replace("_", " ") for name in scores.labels["factors"]]},
        provenance(
            "retention",
            space,
            images=len(pictures),
            controls=controls,
            perceptron=perceptron,
            **options,
            **looking | sampling,
        ),
    )


def factor_rows(result: Result, **columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row per factor, by falling availability: its ``columns``, then every component, None if it was not measured.

    ``features`` is the best read-out of the features before the projection, ``ceiling`` that of the best of all layers.
    """
    rows = {(row.layer, row.component, row.factor): row for row in result}

    def value(layer: str, component: str, factor: str, measure: str = "value") -> Any:
        row = rows.get((layer, component, factor))
        return None if row is None else row[measure]

    def of(component: str) -> str:
        return DECODES if component in ("recovery", "reader", "cycle") else EMBEDDING

    return [
        {
            "factor": factor,
            **{name: column.get(factor) for name, column in columns.items()},
            **{name: value(of(name), name, factor) for name in _COMPONENTS},
            **{
                f"{name} {measure}": value(of(name), name, factor, measure)
                for name in _WITH_INTERVALS
                for measure in ("low", "high")
            },
            FEATURES: value(FEATURES, "best", factor),
            "ceiling": value(ceiling, "best", factor),
            "n": value(EMBEDDING, "best", factor, "n"),
        }
        for factor, ceiling in zip(result.labels["factors"], result.labels["ceilings"], strict=True)
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
    pairs = []
    for i in stream(seed, f"example of {factor.name}").permutation(factor.rows).tolist():
        with suppress(ImpossibleChange):
            changed, _ = factor.change(i, stream(seed, "example", i))
            pairs.append([square(image, _SIDE) for image in (factor.image(i), changed)])
        if len(pairs) == _CANDIDATES:
            break
    return max(pairs, key=lambda pair: np.abs(np.subtract(*(np.asarray(image, dtype=float) for image in pair))).sum())


def _untrained(scores: Result, twins: Sequence[str]) -> dict[str, float]:
    """Mean best skill of each factor over untrained spaces; nothing without any."""
    if not twins:
        return {}
    return {
        name: float(np.mean([scores[f"{twin} {EMBEDDING}", "best", name].value for twin in twins]))
        for name in scores.labels["factors"]
    }


def _by_factor(scores: Result, component: str, layer: str = EMBEDDING) -> dict[str, Any]:
    return {row.factor: row for row in scores if (row.layer, row.component) == (layer, component)}


def _in_words(factor: str) -> str:
    return {0.0: "never", 1.0: "always"}.get(MENTIONS[factor], "sometimes")


def _order(scores: Result, mentions: dict[str, str]) -> list[str]:
    """From available to not; where captions say some factors always, some at times and some never, by how often."""
    share, unmeasured = _by_factor(scores, "availability"), scores.labels["not measurable"]
    findings = [
        f"Not measurable here, because no read-out finds them in anything made from the images: {', '.join(unmeasured)}."
    ] * bool(unmeasured)
    if not share:
        return findings
    names = list(share)
    frequencies = [often for often in ("always", "sometimes", "never") if often in {mentions.get(n) for n in names}]
    if len(frequencies) < 2:
        first, last = names[0], names[-1]
        return [
            f"Availability (share of the ceiling) goes from {share[first].value:.2f} for {first} to {share[last].value:.2f} for {last}.",
            *findings,
        ]
    ranges = []
    for often in frequencies:
        values = [share[name].value for name in names if mentions[name] == often]
        ranges.append(f"{min(values):.2f} to {max(values):.2f} for factors that captions {often} mention")
    text = f"Availability (share of the ceiling) is {', '.join(ranges)}"
    known = {name: MENTIONS[name] for name in names}
    if len(known) >= 4 and len(set(known.values())) > 1:
        rho = rank_agreement(scores, known, over="factors")["availability"]
        text += f". Spearman's rho is {rho.value:.2f} (95 % {rho.low:.2f} to {rho.high:.2f}, over factors) with how often that is"
    return [f"{text}.", *findings]


def _layers(scores: Result) -> list[str]:
    """What the features before the projection hold and the embedding does not."""
    before, after = _by_factor(scores, "best", FEATURES), _by_factor(scores, "best")
    lost = [
        name
        for name in before
        if before[name].low > after[name].high and before[name].value > after[name].value + _LOST
    ]
    if not lost:
        return []
    values = ", ".join(f"{name} ({before[name].value:.2f} to {after[name].value:.2f})" for name in lost)
    return [f"The features before the projection hold more than z, in skill: {values}."]


def _training(scores: Result, untrained: dict[str, float]) -> list[str]:
    """What training added and removed, compared with an untrained space, where there is one."""
    if not untrained:
        return []
    best = {name: row.value for name, row in _by_factor(scores, "best").items()}
    gains = {name: best[name] - untrained[name] for name in best}
    most, least = max(gains, key=gains.__getitem__), min(gains, key=gains.__getitem__)
    gained = f"{most} ({untrained[most]:.2f} to {best[most]:.2f})"
    lost = f"{least} ({untrained[least]:.2f} to {best[least]:.2f})"
    if best[most] <= untrained[most]:
        return ["No factor is predicted better than from random weights of the same architecture."]
    down = f"took most from {lost}" if best[least] < untrained[least] else f"took from none, adding least to {lost}"
    return [f"Compared with random weights of the same architecture, training added most to {gained} and {down}."]


def _decoder(scores: Result) -> list[str]:
    """Whether decodes lose what z holds, and whether the decoder is to blame, where anything was decoded."""
    recovery, cycle = ({n: r.value for n, r in _by_factor(scores, c, DECODES).items()} for c in ("recovery", "cycle"))
    if not recovery:
        return []
    linear = {name: row.value for name, row in _by_factor(scores, "linear").items()}
    readable = [name for name in recovery if linear[name] >= _HALF]
    lost = [name for name in readable if recovery[name] < _HALF]
    if not lost:
        return [f"Decodes show every factor that can be predicted from z: {', '.join(readable) or 'there is none'}."]
    values = ", ".join(f"{name} (recovery {recovery[name]:.2f}, cycle {cycle[name]:.2f})" for name in lost)
    blame = (
        "this is the decoder's failure, not CLIP's"
        if all(cycle[name] < _HALF for name in lost)
        else "where the cycle is high, the reader may fail and not the decoder"
    )
    return [f"Predicted from z, and not found in decodes: {values}; {blame}."]


_SHADES = {"always": "#0072B2", "sometimes": "#7FB7DC", "never": "#DCE9F3"}
"""Colours of bars, dark to light, by how often captions name a factor."""
_LEFT = -0.2
"""Smallest skill drawn; marks of smaller skills are put there."""
_KEYS = 0.8
"""Height of the legends, in inches."""
_PARTS = {
    "linear": ("o", 4, "0.15", "linear read-out"),
    "neighbours": ("^", 4, "0.15", "nearest neighbours"),
    "mlp": ("s", 4, "0.15", "perceptron"),
    "features": ("D", 4.5, 2, "best, of the features"),
    "untrained": ("|", 9, 1, "best, random weights"),
}
"""Marks beside the bars: their marker, size, colour (a grey, or an index into plot.COLORS) and name in the legend."""


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """Images of each factor; its availability over the ceiling; its salience; recovery beside the cycle, where there is a decoder."""
    from matplotlib.figure import Figure

    from clipspace.plot import grid, paper, spelt, width

    names, across = [spelt(name) for name in result.labels["factors"]], width(venue)
    panels = [_draw_available, _draw_salient]
    if any(value is not None for value in result.column("recovery")):
        panels.append(_draw_brought_back)
    with paper(venue):
        heights = [0.25 * len(names) + 0.6, _KEYS]
        figure = Figure(figsize=(across, sum(heights)))
        columns = {"width_ratios": [0.7, 2, 1.3, 1.3][: 1 + len(panels)], "height_ratios": heights}
        (left, *axes), keys = figure.subplots(2, 1 + len(panels), **columns)
        grid(result.arrays["examples"], row_labels=names, ax=left).set_anchor("E")
        for panel, ax in zip(panels, axes, strict=True):
            panel(result, ax)
        handles = [_shades(result), *(ax.get_legend_handles_labels()[0] for ax in axes)]
        for key, listed, title in zip(keys, handles, ["in captions", *[None] * len(axes)], strict=True):
            key.set_axis_off()
            place = {"loc": "upper center", "borderpad": 0, "borderaxespad": 0, "handletextpad": 0.4}
            if listed:
                key.legend(handles=listed, title=title, title_fontsize="small", handlelength=1.2, **place)
    return figure


def caption(result: Result) -> str:
    """What the figure of `draw` shows."""
    from clipspace.plot import number

    options = result.provenance.options
    said = (
        "Bars are dark for factors that captions always name, light for those that they never name. "
        if _shades(result)
        else ""
    )
    decoded = (
        f"""Drawn again: skill (0 is chance, 1 perfect) with which readers without CLIP find the factor in decodes of
            {options["decoded"]} scenes (recovery), and with which a linear read-out finds it in the encoded decode (cycle); not
            read where readers know no such factor."""
        if any(value is not None for value in result.column("recovery"))
        else ""
    )
    best = {"features": "the features before the projection", "untrained": "networks of random weights"}
    marks = [
        f", the best of {words}" for name, words in best.items() if any(v is not None for v in result.column(name))
    ]
    return f"""What z holds of each factor of {options["images"]:,} images. Left, two images that differ in that factor alone.
        Available in z: the held-out skill of the best read-out of z, as a share of the ceiling, the skill of the best read-out
        of anything that was made of the image (1 is the ceiling, 0 is chance). {said}Marks are the read-outs one by
        one{"".join(marks)}; an arrow at the left end is a mark below {number(_LEFT, 1)}. Salient in z: the mean angle by which z
        moves when the factor alone is drawn again ({options["pairs"]} pairs), where 1 is the angle between unrelated images,
        and the share of the variance of z that the factor explains. {decoded} Lines are 95 % intervals."""


def _draw_available(result: Result, ax: Axes) -> None:
    """Availability as a bar; each read-out, the features and random weights as marks; all in shares of the ceiling."""
    from clipspace.plot import COLORS, intervals

    none, measured = [""] * len(result.table), result.column("availability")
    low, high = result.column("availability low"), result.column("availability high")
    bar_colors = [_SHADES.get(often, _SHADES["sometimes"]) for often in result.column("captions")]
    intervals(none, measured, low=low, high=high, color=bar_colors, bars=True, ax=ax)
    for component, (marker, size, color, label) in _PARTS.items():
        shares = [
            None if skill is None or share is None else skill / ceiling
            for skill, share, ceiling in zip(result.column(component), measured, result.column("ceiling"), strict=True)
        ]
        if any(share is not None for share in shares):
            drawn_color = COLORS[color] if isinstance(color, int) else color
            inside = [None if share is None or share < _LEFT else share for share in shares]
            outside = [_LEFT if share is not None and share < _LEFT else None for share in shares]
            intervals(none, inside, marker=marker, size=size, color=drawn_color, label=label, ax=ax)
            intervals(none, outside, marker="<", size=size, color=drawn_color, ax=ax)
    _say_missing(measured, "not measurable here", 0.02, ax)
    ax.axvline(0, color="0.15", linewidth=0.6)
    ax.set(title="available in z", xlabel="share of the ceiling", xlim=(_LEFT - 0.05, 1.1))


def _say_missing(values: list, words: str, x: float, ax: Axes) -> None:
    for row, value in enumerate(values):
        if value is None:
            ax.text(x, row, words, va="center", color="0.35", size="small")


def _draw_salient(result: Result, ax: Axes) -> None:
    """How far z moves with the factor, and its share of z's variance."""
    from clipspace.plot import COLORS, intervals

    none = [""] * len(result.table)
    low, high = result.column("sensitivity low"), result.column("sensitivity high")
    series = {"marker": "D", "size": 4.5, "color": COLORS[6], "label": "of unrelated angle", "offset": -0.17}
    intervals(none, result.column("sensitivity"), low=low, high=high, **series, ax=ax)
    series = {"marker": "v", "size": 4.5, "color": COLORS[3], "label": "of z's variance", "offset": 0.17}
    intervals(none, result.column("variance"), **series, ax=ax)
    ax.axvline(0, color="0.15", linewidth=0.6)
    ax.grid(axis="y", color="0.9", linewidth=0.6)
    ax.set(title="salient in z", xlabel="share", xlim=(-0.1, max(1.0, ax.get_xlim()[1])))


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
    ax.set(title="drawn again", xlabel="skill (0: chance)", xlim=(max(5 * _LEFT, ax.get_xlim()[0]), 1.1))
    _say_missing(result.column("recovery"), "not read", 0.1, ax)


def _shades(result: Result) -> list:
    """What captions name of the factors that are there, for a legend."""
    from matplotlib.patches import Patch

    frequencies = [often for often in _SHADES if often in result.column("captions")]
    return [Patch(color=_SHADES[often], label=often) for often in frequencies]
