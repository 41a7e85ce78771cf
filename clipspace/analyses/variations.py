"""What stays the same over images that share one embedding, and what changes?

Figure 3 of DALL-E 2 (Ramesh et al. 2022, arXiv 2204.06125, section 3.1): every row starts from the code (z, x_T) of
a picture, and is decoded again with fresh noise.

What stays was in z; what changes was not, or the decoder could not draw it: the cosine of E(variation) to z is
the control.

A surprise would be a place or a rotation that stays though captions never speak of it, or a colour that changes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clipspace.analyses.examples import pictures
from clipspace.analyses.inverted import inverted
from clipspace.manipulate import variations
from clipspace.results import Result, provenance, stacked
from clipspace.space import Space

TAKES = ("rows",)
SCENES = "{pictures} rendered scenes"


def run(
    space: Space,
    images: Sequence | None = None,
    *,
    n: int = 6,
    eta: float = 1.0,
    seed: int = 0,
    num_inference_steps: int = 25,
) -> Result:
    """Variations of each picture: its source, its reconstruction at eta = 0, and ``n`` draws at ``eta``."""
    sources, names = pictures(space, images, "variations")
    code = inverted(space, sources, num_inference_steps=num_inference_steps)
    rows, table = [], []
    for i, source in enumerate(sources):
        drawn = variations(space, code[i], n=n, eta=eta, seed=seed).images
        again = space.encode_images(drawn[1:]).unit
        cosines = again @ code.embeddings.unit[i]
        spread = np.stack([np.asarray(image, dtype=float) for image in drawn[1:]]).std(axis=0).mean()
        rows.append([source, *drawn])
        table.append(
            {"image": names[i], "cosine to z": cosines.mean(), "lowest": cosines.min(), "pixel spread": spread}
        )
    cosine = np.mean([row["cosine to z"] for row in table])
    findings = [
        f"Redrawn from their embeddings alone, the pictures keep a mean cosine of {cosine:.2f} to z.",
        f"Pixels differ by a standard deviation of {np.mean([row['pixel spread'] for row in table]):.0f} of 255 "
        "between draws of one embedding: that much of a picture z leaves open.",
    ]
    return Result(
        "variations",
        table,
        findings,
        {"images": stacked(rows)},
        {"columns": ["source", "eta = 0", *[f"eta = {eta:g}"] * n]},
        provenance(space, pictures=names, n=n, eta=eta, seed=seed, num_inference_steps=num_inference_steps),
    )
