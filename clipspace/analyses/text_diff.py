"""Does the image follow when its embedding moves towards a text?

Figure 5 of DALL-E 2 (Ramesh et al. 2022, arXiv 2204.06125, section 3.3): z moves towards what the second text says and the
first does not, up to a fraction theta of the angle, while x_T stays at the inverted noise. By default the first text is the
zero-shot description of the image, and the second names another colour or background. The edits of the bundled scenes are
chosen: readers confirm 33 of the 48 possible ones, and these are four of them.

The first column is the reconstruction. x_T stays, and z moves in one direction only; whatever else changes in the image is an
effect of the edit too. The CLIP that steered the image cannot judge it: its own reading is circular. On rendered scenes,
readers without CLIP say whether the new value arrived and the others stayed, compared with chance; for other images a second
encoder or decoder can judge (``judge``).

Would contradict expectation: an edit whose text CLIP knows well and whose image does not follow. Then x_T preserves what was
there, or the decoder cannot draw what z says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from clipspace import progress
from clipspace.analyses import Analysis, Cost
from clipspace.analyses.baselines import far
from clipspace.analyses.edits import Edit, after_probability, bundled_edits, edits
from clipspace.analyses.examples import pictures
from clipspace.analyses.inverted import inverted
from clipspace.analyses.judging import Verdict, readable, verdict
from clipspace.errors import check_count
from clipspace.manipulate import text_diff
from clipspace.results.pictures import Pictures, stacked
from clipspace.results.provenance import drawn_with, provenance
from clipspace.results.result import Result
from clipspace.sources.images import SAME, psnr

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from clipspace.space import Space

ANALYSIS = Analysis(
    order=30,
    title="Text diff",
    takes=("rows",),
    scenes="{pictures} rendered scenes",
    read="edits are between the colours and backgrounds of rendered scenes, as zero-shot reads them",
    demo=True,
    options={
        "before": "Text that describes every image; by default what zero-shot reads off each.",
        "after": "Text that describes the results; by default another colour or background.",
        "theta": "How far to go towards the new text, as a fraction of the angle.",
        "frames": "Images from the reconstruction to the last edit, both included.",
        "judge": "A second space that scores the edited images; see `clipspace spaces`.",
    },
    quick={"frames": 3, "num_inference_steps": 20},
    cost=Cost(steps=680, images=40, seconds=0.6),
)


def run(
    space: Space,
    images: Sequence | None = None,
    *,
    before: str = "",
    after: str = "",
    theta: float = 0.35,
    frames: int = 6,
    judge: Space | str = "",
    seed: int = 0,
    num_inference_steps: int = 25,
) -> Result:
    """Each image moved from ``before`` to ``after``, or by the edit that `edits` suggests where both are empty.

    ``judge`` is another space, or its name: with another encoder it scores the last image, with another decoder of the
    same encoder its own image of the last z is scored.
    """
    check_count("frames", frames, least=2)
    sources, names = pictures(space, images, "text_diff")
    second = _loaded(judge, space) if isinstance(judge, str) else judge
    points = space.encode_images(sources)
    chosen_edits = edits(space, points, before, after) if images is not None or before or after else bundled_edits()
    code = inverted(space, sources, num_inference_steps=num_inference_steps)
    move_options = {"theta": theta, "frames": frames, "seed": seed}
    moves = [
        text_diff(space, code[i], *edit, **move_options, judge=second)
        for i, edit in enumerate(progress.track(chosen_edits, "editing", "images"))
    ]
    ratios, beyond = far("text_diff", space, sources, code.embeddings, seed=seed)
    scenes = readable(sources)
    verdicts = [
        verdict(source, moved.images[-1], edit) if scenes else None
        for source, moved, edit in zip(sources, moves, chosen_edits, strict=True)
    ]
    table = [
        {"image": name, **_row(space, source, moved, edit), "unfamiliarity": ratio, **_read(one_verdict)}
        for name, source, moved, edit, ratio, one_verdict in zip(
            names, sources, moves, chosen_edits, ratios, verdicts, strict=True
        )
    ]
    known_verdicts = [one_verdict for one_verdict in verdicts if one_verdict is not None]
    options = {"before": before, "after": after, **move_options, "judge": second.name if second else ""}
    return Result(
        "text_diff",
        table,
        [*beyond, _moved(table, theta), *_readers(known_verdicts), *_judged(table, second), *_circular(table)],
        {
            "images": stacked([moved.images for moved in moves]),
            "cosines to after": np.array([moved.scores["cosine of the image to after"][0] for moved in moves]),
        },
        {
            "rows": [edit.label for edit in chosen_edits],
            "columns": moves[0].labels["columns"],
            "read": [f"{_mark(one_verdict)}{one_verdict.words}" if one_verdict else "" for one_verdict in verdicts],
        },
        provenance(
            "text_diff", space, pictures=names, **options, **drawn_with(space, num_inference_steps, inverted=True)
        ),
    )


def _loaded(judge: str, space: Space) -> Space | None:
    """The space of that name, on the device of ``space``; None for an empty name."""
    from clipspace.space import load_space

    return load_space(judge, device=str(space.device)) if judge else None


def _row(space: Space, source, moved: Pictures, edit: Edit) -> dict:
    """The numbers of one edit, each cosine beside its baseline: that of the old text, and that of the first column."""
    scores = {name: values[0] for name, values in moved.scores.items()}
    none = [None] * len(moved.images)
    before = scores.get("cosine of the image to before", none)
    first, last = after_probability(space, space.encode_images([moved.images[0], moved.images[-1]]), edit)
    row = {
        "before": edit.before or "",
        "after": edit.after,
        "P(after), first": first,
        "P(after), last": last,
        "cosine to after, first": scores["cosine of the image to after"][0],
        "cosine to after, last": scores["cosine of the image to after"][-1],
        "cosine to before, first": before[0],
        "cosine to before, last": before[-1],
        "cosine of z to the source, last": scores["cosine to the source"][-1],
        "PSNR of the first, dB": psnr(moved.images[0], source, most=SAME),
    }
    if "judge: cosine of the image to after" in scores:
        rival = scores.get("judge: cosine of the image to before", none)
        row |= {"judge: cosine to after, first": scores["judge: cosine of the image to after"][0]}
        row |= {"judge: cosine to after, last": scores["judge: cosine of the image to after"][-1]}
        row |= {"judge: cosine to before, last": rival[-1]}
    return row


def _read(one_verdict: Verdict | None) -> dict:
    """What readers say of the last image, or nothing."""
    if one_verdict is None:
        return {"read": "", "new value read": None, "others kept": None, "others": None}
    return {
        "read": one_verdict.words,
        "new value read": one_verdict.arrived,
        "others kept": one_verdict.kept,
        "others": one_verdict.others,
    }


def _mark(one_verdict: Verdict) -> str:
    """Whether readers confirm an edit, before what they read."""
    return "✓ " if one_verdict.confirmed else "✗ "


def _moved(table: list[dict], theta: float) -> str:
    first = np.array([row["cosine to after, first"] for row in table])
    last = np.array([row["cosine to after, last"] for row in table])
    old = [row["cosine to before, last"] for row in table]
    beside = "" if None in old else f"; {np.mean(old):.2f} to the old text"
    return (
        f"At {theta:g} of the angle, {(last > first).sum()} of {len(table)} edited images are nearer to the new text than "
        f"their reconstructions (mean cosine {first.mean():.2f} to {last.mean():.2f}{beside})."
    )


def _readers(verdicts: list[Verdict]) -> list[str]:
    """The finding of readers without CLIP about the scenes."""
    if not verdicts:
        return []
    n_arrived = sum(one_verdict.arrived for one_verdict in verdicts)
    n_kept = sum(one_verdict.kept for one_verdict in verdicts)
    n_others = sum(one_verdict.others for one_verdict in verdicts)
    by_chance = [float(np.mean([one_verdict.chance[k] for one_verdict in verdicts])) for k in (0, 1)]
    confirmed = sum(one_verdict.confirmed for one_verdict in verdicts)
    return [
        f"Readers without CLIP find the new value in {n_arrived} of {len(verdicts)} images (chance {by_chance[0]:.0%}), and {n_kept} of "
        f"{n_others} other values unchanged (chance {by_chance[1]:.0%}); all three values are right in "
        f"{confirmed} of {len(verdicts)}."
    ]


def _judged(table: list[dict], judge: Space | None) -> list[str]:
    """The finding of a second space."""
    if judge is None:
        return []
    new = [row["judge: cosine to after, last"] for row in table]
    old = [row["judge: cosine to before, last"] for row in table]
    first = [row["judge: cosine to after, first"] for row in table]
    rival, compared_to = (
        (first, "to it than the reconstructions") if None in old else (old, "to the new text than to the old")
    )
    nearer = sum(a > b for a, b in zip(new, rival, strict=True))
    return [
        f"To {judge.name}, which did not steer the images, {nearer} of {len(table)} are nearer {compared_to} (chance 50%; mean cosine "
        f"{np.mean(new):.2f} and {np.mean(rival):.2f})."
    ]


def _circular(table: list[dict]) -> list[str]:
    """The finding of the space's own CLIP, which is circular."""
    probabilities = [row["P(after), last"] for row in table]
    if None in probabilities:
        return ["The cosines are circular: the CLIP that steered the images judges them."]
    return [
        f"To the CLIP that steered the images, {sum(p > 0.5 for p in probabilities)} of {len(table)} are nearer to the new text than to "
        "the old (chance 50%). This is circular, and shows only that the decoder followed z."
    ]


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """One row per image, what the edit changes at its left, how far it went over each column, cosines to the new text below.

    On scenes the right says what readers that know no CLIP read off the last image, and whether that is the edit and
    nothing else; in other images, the cosine of the last to the new text and to the old.
    """
    from clipspace.plot import grid, number, page, paper, trim

    images, labels = result.arrays["images"], result.labels
    names = {"row_labels": labels["rows"], "column_labels": labels["columns"], "right_labels": _right_labels(result)}
    captions = [[number(cosine) for cosine in row] for row in result.arrays["cosines to after"]]
    with paper(venue):
        figure = page(venue)
        ax = grid(images, **names, captions=captions, wrap=14, ax=figure.subplots())
        ax.set_title("θ: fraction of the angle between z and the text difference")
        ax.set_xlabel("below each image: its cosine to the new text")
        return trim(figure)


def caption(result: Result) -> str:
    """What the figure of `draw` shows."""
    has_old = any(old is not None for old in result.column("cosine to before, last"))
    judged = (
        """At the right is what readers that know no CLIP recognise in the last image: ✓ where what is new is there and all
            else is as in the source, ✗ where not."""
        if any(result.labels.get("read", ()))
        else f"At the right is the cosine of the last image to the new text{' and, as baseline, to the old' * has_old}."
    )
    return f"""Each row moves the embedding z of an image on the great circle {_towards(result)}. θ is the fraction of the angle
        between z and that direction. The initial noise stays that of the inverted image, so θ = 0 is its reconstruction. Below
        each image is the cosine of its embedding to the new text, with that at θ = 0 as baseline; it is circular, since the
        same encoder steers the decoder. {judged}"""


def _towards(result: Result) -> str:
    """Where z moves, in words, by the texts that were given."""
    options = result.provenance.options
    if not options["after"]:
        return """towards a text difference: the direction from the embedding of a text that describes the image to that of the
            same text with one change, which is named at the left"""
    if options["before"]:
        return """towards a text difference: the direction from the embedding of the old text to that of the new, whose words
            that differ are named at the left"""
    return "towards the embedding of the new text, which is named at the left"


def _right_labels(result: Result) -> list[str]:
    if any(result.labels.get("read", ())):
        return [f"read:\n{read}" if read else "" for read in result.labels.get("read", ())]
    return [_cosine_label(row) for row in result.table]


def _cosine_label(row: dict) -> str:
    from clipspace.plot import number

    new, old = row["cosine to after, last"], row["cosine to before, last"]
    return f"cosine to\nnew text {number(new)}" + ("" if old is None else f"\nold text {number(old)}")
