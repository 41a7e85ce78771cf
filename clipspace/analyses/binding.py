"""Does the space know which thing is red, and which is above the other?

Winoground (Thrush et al. 2022, arXiv 2204.03162), two-way choices as in ARO (arXiv 2210.01936), and figure 15 of DALL-E 2
(arXiv 2204.06125): two images of the same two things, which differ in which attribute belongs to which thing, and a caption
of each. A linear probe of images alone is measured as well (Koishigarina et al. 2025, arXiv 2502.03566), because the other
scores compare images with texts.

Look for scores at chance: there, images and texts do not agree on which attribute belongs to which thing. The probe of z
tells whether the embedding of the image knows it all the same. Compare the probe with a histogram of the image's colours,
since exchanged colours and sizes also change areas. "bag" and "bound" are the same probe on two reference codes: one lists
things and attributes separately, the other together. With a decoder, the figure also shows how often decodes keep, swap or
lose the binding, and how often the readers fail on true images.

Would contradict expectation: a group score far above chance for relations, or decodes that keep a binding which the scores do
not find.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from clipspace.analyses import Analysis, Cost
from clipspace.errors import InputError
from clipspace.probes.binding import KINDS, OUTCOMES, binding_quartets, choice_accuracy, decoded_binding, group_scores
from clipspace.probes.binding_of_images import unimodal_binding
from clipspace.probes.datasets import Choice, Quartet
from clipspace.results.pictures import stacked
from clipspace.results.provenance import drawn_with, provenance
from clipspace.results.result import Result
from clipspace.results.table import MEASURES
from clipspace.scenes import UNSEEN
from clipspace.sources.images import read_image, square

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from clipspace.space import Space

ANALYSIS = Analysis(
    order=80,
    title="Binding",
    takes=("scenes",),
    scenes="{n:,} rendered examples of each kind",
    options={
        "n": "Rendered examples of each kind of binding.",
        "probed": "Pairs per combination (of six) on which the probe of images alone is trained; 0 leaves it out.",
        "decoded": "Examples of each kind that are decoded and given to readers.",
    },
    quick={"n": 6, "probed": 0, "decoded": 2, "num_inference_steps": 2},
    cost=Cost(steps=640, images=6430, seconds=67.0),
)

_SIDE = 128
_ALONE = "images alone"
_SAYS = {"text": "text", "image": "image", "group": "group", "accuracy": "two-way"}


def run(
    space: Space,
    quartets: Mapping[str, Sequence[Quartet]] | None = None,
    *,
    n: int = 100,
    probed: int = 100,
    decoded: int = 16,
    num_inference_steps: int = 20,
    seed: int = 0,
) -> Result:
    """Scores of ``quartets`` by name (`probes.binding.read_winoground`), or of ``n`` rendered ones of each kind.

    Of rendered ones also `probes.binding_of_images.unimodal_binding` of ``probed`` pairs; and, where there is a decoder,
    what is read off ``decoded`` decodes of two kinds: readers need known things.
    """
    rendered = quartets is None
    by_kind = {kind: binding_quartets(kind, n, seed=UNSEEN + seed) for kind in KINDS} if rendered else quartets
    if not by_kind or not all(by_kind.values()):
        raise InputError(
            f"binding: expected quartets of each kind, got none of {[k for k in by_kind if not by_kind[k]]}"
        )
    table = []
    for kind, examples in by_kind.items():
        scores = [*group_scores(space, examples), *choice_accuracy(space, _choices(examples))]
        table += [{"kind": kind, "view": "examples", **row, "score": _SAYS[row.score]} for row in scores]
    if rendered and probed:
        alone = unimodal_binding(space, n=probed, seed=UNSEEN + seed)
        table += [
            {"kind": row.kind, "view": _ALONE, "score": row.view, **{name: row[name] for name in MEASURES}}
            for row in alone
        ]
    if rendered and space.decoder is not None:
        options = {"n": decoded, "num_inference_steps": num_inference_steps, "seed": UNSEEN + seed}
        for kind in ("color", "size"):
            outcomes = decoded_binding(space, kind, **options)
            table += [
                {"kind": kind, "view": row.view, "score": row.outcome, **{name: row[name] for name in MEASURES}}
                for row in outcomes
            ]
    firsts = [examples_of_kind[0] for examples_of_kind in by_kind.values()]
    return Result(
        "binding",
        table,
        _findings(table),
        {"examples": stacked([[square(read_image(image), _SIDE) for image in first.images] for first in firsts])},
        {"kinds": list(by_kind), "captions": [caption for first in firsts for caption in first.captions]},
        provenance(
            "binding", space, n=n, probed=probed, decoded=decoded, seed=seed, **drawn_with(space, num_inference_steps)
        ),
    )


def _choices(quartets: Sequence[Quartet]) -> list[Choice]:
    """Each image of a quartet, to be told by its own caption or the other's."""
    return [
        Choice(quartet.images[i], (quartet.captions[i], quartet.captions[1 - i]))
        for quartet in quartets
        for i in (0, 1)
    ]


def _findings(table: list[dict[str, Any]]) -> list[str]:
    rows = {(row["kind"], row["view"], row["score"]): row for row in table}
    group = {kind: row for (kind, _, score), row in rows.items() if score == "group"}
    kinds = list(group)
    groups = {kind: row["value"] for kind, row in group.items()}
    choices = {kind: rows[kind, "examples", "two-way"]["value"] for kind in kinds}
    above = [kind for kind, row in group.items() if row["low"] > row["chance"]]
    best, worst = max(kinds, key=choices.__getitem__), min(kinds, key=choices.__getitem__)
    sentences = [
        f"Group scores are {min(groups.values()):.2f} to {max(groups.values()):.2f} (chance 0.17), above chance for "
        f"{', '.join(above) or 'no kind'}; the true one of two captions is nearer to the image in "
        f"{choices[worst]:.0%} ({worst}) to {choices[best]:.0%} ({best}) of cases (chance 50%)."
    ]
    sentences += _alone(rows, [kind for kind in kinds if (kind, _ALONE, "z") in rows])
    for kind in [kind for kind in kinds if (kind, "decoded", "kept") in rows]:
        share_kept, share_swapped, share_lost = (rows[kind, "decoded", outcome]["value"] for outcome in OUTCOMES)
        sentences.append(
            f"Decodes keep which thing has which {kind} in {share_kept:.0%}, swap it in {share_swapped:.0%}, lose it in {share_lost:.0%}; "
            f"readers find it in {rows[kind, 'true image', 'kept']['value']:.0%} of the true images."
        )
    return sentences


def _alone(rows: Mapping[tuple[str, str, str], dict[str, Any]], kinds: Sequence[str]) -> list[str]:
    """What the probe of z tells apart, beside what areas of colour give away."""
    if not kinds:
        return []
    of = {view: {kind: rows[kind, _ALONE, view] for kind in kinds} for view in ("z", "histogram")}
    told = [f"{of['z'][kind]['value']:.0%} of {kind} ({of['histogram'][kind]['value']:.0%})" for kind in kinds]
    bound = [kind for kind in kinds if of["z"][kind]["low"] > max(1 / 2, of["histogram"][kind]["high"])]
    return [
        f"From image embeddings alone a linear probe finds the binding in {', '.join(told)}; in brackets, the same probe of a colour "
        f"histogram, which knows areas and no positions. z is better than the histogram for: {', '.join(bound) or 'nothing'}."
    ]


_PANELS = {
    "with captions": {
        ("examples", "text"): ("o", "text score"),
        ("examples", "image"): ("s", "image score"),
        ("examples", "group"): ("D", "group score"),
        ("examples", "two-way"): ("^", "caption choice"),
    },
    "probe of images": {
        (_ALONE, "z"): ("o", "z"),
        (_ALONE, "before projection"): ("s", "features"),
        (_ALONE, "histogram"): ("P", "colours only"),
        (_ALONE, "bag"): ("v", "bag of words"),
        (_ALONE, "bound"): ("D", "bound pairs"),
    },
    "decodes": {
        ("decoded", "kept"): ("o", "binding kept"),
        ("decoded", "swapped"): ("X", "swapped"),
        ("decoded", "lost"): ("v", "lost"),
        ("true image", "kept"): ("|", "kept (images)"),
    },
}
"""Marker and name in the legend of each view and score in the figure, by panel."""


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """One row per kind: two images; scores with texts and of images alone, chance a grey tick; how decodes end."""
    from matplotlib.figure import Figure

    from clipspace.plot import grid, paper, spelt, width

    kinds, across = result.labels["kinds"], width(venue)
    rows = {(row["kind"], row["view"], row["score"]): row for row in result.table}
    known = {(view, score) for _, view, score in rows}
    panels = {title: {key: mark for key, mark in marks.items() if key in known} for title, marks in _PANELS.items()}
    panels = {title: marks for title, marks in panels.items() if marks}
    with paper(venue):
        heights = [0.52 * len(kinds) + 0.8, 0.16 * max(map(len, panels.values())) + 0.1]
        figure = Figure(figsize=(across, sum(heights)))
        columns = {"width_ratios": [1.7, *[1.3] * len(panels)], "height_ratios": heights}
        (left, *score_axes), (corner, *keys) = figure.subplots(2, 1 + len(panels), **columns)
        corner.set_axis_off()
        grid(result.arrays["examples"], row_labels=[spelt(kind) for kind in kinds], ax=left).set_anchor("E")
        for ax, key, (title, marks) in zip(score_axes, keys, panels.items(), strict=True):
            _draw_dots(rows, kinds, marks, ax)
            scored = "share of decodes" if title == "decodes" else "share right\n(grey: chance)"
            ax.set(title=title, xlim=(-0.04, 1.04), xlabel=scored, xticks=[0, 0.5, 1])
            ax.set_yticks([])
            for border in range(1, len(kinds)):
                ax.axhline(border - 0.5, color="0.85", linewidth=0.6)
            key.set_axis_off()
            key.legend(
                *ax.get_legend_handles_labels(), loc="upper left", handletextpad=0.2, borderpad=0, borderaxespad=0
            )
    return figure


def caption(result: Result) -> str:
    """What the figure of `draw` shows."""
    rows = {(row["view"], row["score"]): row for row in result.table}
    alone = (
        f"""Probe of images: held-out accuracy, averaged over {rows[_ALONE, "z"]["n"]} combinations of things, of a linear probe
            that tells the two bindings apart without text. It learns from z, from the features before the projection
            (features), from a histogram of the colours (colours only), and from codes that count things and attributes apart
            (bag of words, the floor) or together (bound pairs, the ceiling)."""
        if (_ALONE, "z") in rows
        else ""
    )
    decodes = (
        f"""Decodes: what readers without CLIP find in decodes of {rows["decoded", "kept"]["n"]} images, beside what they find
            in the images themselves; they recognise no texture and no relation, so those are not measured."""
        if ("decoded", "kept") in rows
        else ""
    )
    return f"""Does the space know what belongs to what? Left, one example of each kind: two images of the same things that
        differ in which has which attribute, or in which is above. With captions: the text score is the share of
        {rows["examples", "group"]["n"]} examples in which each image is nearer to its own caption than to the other, the image
        score that in which each caption is nearer to its own image, the group score that of both (Winoground); the caption
        choice is the share of single images that are nearer to their own caption. {alone} {decodes} Lines are 95 % intervals,
        exact where all are right; grey is chance."""


def _draw_dots(rows: dict, kinds: list[str], marks: dict[tuple[str, str], tuple[str, str]], ax: Axes) -> None:
    """One series of dots for each score, one under the other in the row of a kind; a row without any says so."""
    from clipspace.plot import COLORS, intervals

    step = 0.76 / len(marks)
    for row, kind in enumerate(kinds):
        if not any((kind, *mark) in rows for mark in marks):
            ax.text(0.5, row, "not measured", ha="center", va="center", color="0.35", size="small")
    for i, ((view, score), (marker, label)) in enumerate(marks.items()):
        score_rows = [rows.get((kind, view, score), {}) for kind in kinds]
        series = {name: [row.get(name) for row in score_rows] for name in ("low", "high", "chance")}
        style = {"color": COLORS[i % len(COLORS)], "marker": marker, "size": 4.5, "offset": step * (i + 0.5) - 0.38}
        values = [row.get("value") for row in score_rows]
        intervals([""] * len(kinds), values, **series, **style, height=0.9 * step, label=label, ax=ax)
