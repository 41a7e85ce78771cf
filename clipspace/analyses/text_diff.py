"""Does an embedding that moves towards a text take the picture with it?

Figure 5 of DALL-E 2 (Ramesh et al. 2022, arXiv 2204.06125, section 3.3): z moves towards what the second text says
and the first does not, up to a fraction theta of the angle, while x_T is held at the inversion. Without texts of
one's own, the first is the zero-shot reading of the picture, and the second says another colour, thing or ground.

The first column is the reconstruction. The edit should arrive and the rest stay; the probability of the second text
against the first, read off the redrawn picture, says whether it did for CLIP's eyes.

A surprise would be an edit whose text CLIP knows well and whose picture does not follow: then x_T holds on to what
was there, or the decoder cannot draw what z says.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clipspace.analyses.edits import after_probability, edits
from clipspace.analyses.examples import pictures
from clipspace.analyses.inverted import inverted
from clipspace.errors import check_count
from clipspace.images import SAME, psnr
from clipspace.manipulate import text_diff
from clipspace.results import Result, provenance, stacked
from clipspace.space import Space

TAKES = ("rows",)
SCENES = "{pictures} rendered scenes"
READ = "edits are between the colours, things and backgrounds of rendered scenes, as zero-shot reads them"


def run(
    space: Space,
    images: Sequence | None = None,
    *,
    before: str = "",
    after: str = "",
    theta: float = 0.35,
    steps: int = 6,
    seed: int = 0,
    num_inference_steps: int = 25,
) -> Result:
    """Each picture moved from ``before`` to ``after``, or by the edit that `edits` suggests where both are empty."""
    check_count("steps", steps, least=2)
    sources, names = pictures(space, images, "text_diff")
    chosen = edits(space, space.encode_images(sources), before, after)
    code = inverted(space, sources, num_inference_steps=num_inference_steps)
    rows, table = [], []
    for i, (source, edit) in enumerate(zip(sources, chosen, strict=True)):
        moved = text_diff(space, code[i], *edit, theta=theta, steps=steps, seed=seed)
        cosines = moved.scores["cosine of the image to after"].ravel()
        ends = space.encode_images([moved.images[0], moved.images[-1]])
        first, last = after_probability(space, ends, edit)
        rows.append(moved.images)
        table.append(
            {
                "image": names[i],
                "before": edit.before or "",
                "after": edit.after,
                "P(after), first": first,
                "P(after), last": last,
                "cosine to after, first": cosines[0],
                "cosine to after, last": cosines[-1],
                "cosine of z to the source, last": moved.scores["cosine to the source"].ravel()[-1],
                "PSNR of the first, dB": psnr(moved.images[0], source, most=SAME),
            }
        )
    options = {"before": before, "after": after, "theta": theta, "steps": steps, "seed": seed}
    return Result(
        "text_diff",
        table,
        _findings(table, theta),
        {"images": stacked(rows)},
        {"rows": [edit.label for edit in chosen], "columns": moved.column_labels},
        provenance(space, pictures=names, **options, num_inference_steps=num_inference_steps),
    )


def _findings(table: list[dict], theta: float) -> list[str]:
    first, last = (np.array([row[f"cosine to after, {end}"] for row in table]) for end in ("first", "last"))
    n = len(table)
    found = [
        f"At {theta:g} of the angle, {(last > first).sum()} of {n} redrawn pictures are nearer to the new text than their "
        f"reconstructions are (mean cosine {first.mean():.2f} to {last.mean():.2f})."
    ]
    read = [row["P(after), last"] for row in table]
    if None not in read:
        found.append(f"CLIP reads {sum(p > 0.5 for p in read)} of {n} as the new text rather than the old.")
    return found
