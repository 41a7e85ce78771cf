"""How many directions does the space use?

DALL-E 2 (Ramesh et al. 2022, arXiv 2204.06125, section 2.2) keeps 319 of 1,024 principal components and nearly all of
the variance, and lays it to training with SAM. Participation ratio, effective rank (Roy & Vetterli 2007) and
estimates of the intrinsic dimension say the same in one number each.

Look for the place where the eigenvalues fall off: what is beyond it, a PCA of embeddings may drop. Components that are
needed for images and for captions differ where one of them says more than the other.

A surprise would be a spectrum without a fall, that is as many components as dimensions; or one component that holds
nearly everything.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clipspace.analyses.examples import captions_of, unseen_scenes
from clipspace.analyses.tables import score_rows
from clipspace.measure.spectrum import components_for
from clipspace.points.embeddings import Embeddings
from clipspace.probes.geometry import geometry
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.scenes import render
from clipspace.space import Space

TAKES = ("points",)
SCENES = "{images:,} rendered scenes and captions of them"

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
    found = {name: geometry(embedded, seed=seed) for name, embedded in sets.items()}
    values = np.stack([scores.arrays["spectrum"] for scores in found.values()])
    shares = values / values.sum(axis=1, keepdims=True)
    needed = [[components_for(row, share) for share in SHARES] for row in values]
    return Result(
        "spectrum",
        [row for name, scores in found.items() for row in score_rows(scores, set=name)],
        [_finding(name, scores, values.shape[1]) for name, scores in found.items()],
        {"shares": shares, "cumulative": np.cumsum(shares, axis=1), "needed": np.array(needed)},
        {"sets": list(found), "levels": [f"{share:.0%}" for share in SHARES]},
        provenance("spectrum", space, **{name: len(embedded) for name, embedded in sets.items()}, seed=seed),
    )


def _finding(name, scores, d: int) -> str:
    half, most = scores["components for 90%"].value, scores["components for 99%"].value
    text = (
        f"Of {d} dimensions {name} use {half:.0f} for 90 % of their variance and {most:.0f} for 99 %; "
        f"participation ratio {scores['participation ratio'].value:.1f}, "
        f"effective rank {scores['effective rank'].value:.1f}."
    )
    n = scores["effective rank"].n
    return text if n > d else f"{text} With {n} points these are lower bounds."
