"""Is it CLIP or is it the decoder? The same embeddings drawn by several decoders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from clipspace.errors import InputError
from clipspace.points.embeddings import Embeddings
from clipspace.probes.rows import mean_row
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.results.table import Row
from clipspace.seeds import child_seed

if TYPE_CHECKING:
    from clipspace.space import Space


def decoder_agreement(
    spaces: Mapping[str, Space], points: Embeddings, *, seed: int = 0, num_inference_steps: int | None = None
) -> Result:
    """Cycle cosine of E(D(z)) and z for each decoder D, and cosine of E(D(z)) and E(D'(z)) for each pair.

    The keys are ``first`` and ``second``: "z" and a decoder for a cycle, else two decoders. Chance is the mean cosine of
    E(D(z)) and another point z'. What decoders agree on came from z; where one has a low cycle, it is that decoder's
    failure. ``arrays`` holds the redrawn unit embeddings of each, ``(n, d)``.
    All spaces share one encoder, that of ``points``; else `SpaceMismatchError`.
    """
    if len(points) < 2 or not spaces:
        raise InputError(
            f"decoder_agreement: expected two points and a space or more, got {len(points)} and {len(spaces)}"
        )
    drawn = {
        name: space.decode(points, seed=decoder_seed(seed, name), num_inference_steps=num_inference_steps)
        for name, space in spaces.items()
    }
    return agreement_of(next(iter(spaces.values())), points, drawn, seed=seed)


def decoder_seed(seed: int, name: str) -> int:
    """A seed for each decoder: two that start from one x_T agree on more than z."""
    return child_seed(seed, f"decoder {name}")


def agreement_of(
    space: Space, points: Embeddings, drawn: Mapping[str, Sequence[Image.Image]], *, seed: int = 0
) -> Result:
    """`decoder_agreement` of images that are there already: for each decoder's name, one of each point."""
    redrawn = {name: space.encode_images(images).unit for name, images in drawn.items()}
    rows = [_row("z", name, vectors, points.unit, seed) for name, vectors in redrawn.items()]
    rows += [_row(a, b, redrawn[a], redrawn[b], seed) for a, b in combinations(redrawn, 2)]
    options = {"decoders": list(drawn)}
    return Result(
        "decoder_agreement",
        rows,
        arrays=redrawn,
        provenance=provenance("decoder_agreement", stamp=points.stamp, seed=seed, **options),
    )


def _row(first: str, second: str, a: np.ndarray, b: np.ndarray, seed: int) -> Row:
    """The mean cosine of the same images, beside that of different ones."""
    cosines = a @ b.T
    others = float(cosines[~np.eye(len(cosines), dtype=bool)].mean())
    return mean_row(np.diag(cosines), chance=others, seed=seed, first=first, second=second)
