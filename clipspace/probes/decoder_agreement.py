"""Is it CLIP or is it the decoder? The same embeddings drawn by several decoders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from clipspace.errors import InputError
from clipspace.points.embeddings import Embeddings
from clipspace.results.scores import Score, Scores, bootstrap
from clipspace.seeds import child_seed

if TYPE_CHECKING:
    from clipspace.space import Space


def decoder_agreement(
    spaces: Mapping[str, Space], points: Embeddings, *, seed: int = 0, num_inference_steps: int | None = None
) -> Scores:
    """Cycle cosine of E(D(z)) and z for each decoder D, and cosine of E(D(z)) and E(D'(z)) for each pair.

    Chance is the mean cosine of E(D(z)) and another point z'. What decoders agree on came from z; where one has a
    low cycle, it is that decoder's failure. ``arrays`` holds the redrawn unit embeddings of each, ``(n, d)``.
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
) -> Scores:
    """`decoder_agreement` of images that are there already: for each decoder's name, one of each point."""
    redrawn = {name: space.encode_images(images).unit for name, images in drawn.items()}
    rows = [_score(f"cycle: {name}", found, points.unit, seed) for name, found in redrawn.items()]
    rows += [_score(f"{a} and {b}", redrawn[a], redrawn[b], seed) for a, b in combinations(redrawn, 2)]
    return Scores("decoder agreement", rows, points.stamp, seed, {"decoders": list(drawn)}, redrawn)


def _score(name: str, a: np.ndarray, b: np.ndarray, seed: int) -> Score:
    every = a @ b.T
    n = len(every)
    low, high = bootstrap(np.diag(every), seed=seed)
    return Score(name, float(np.diag(every).mean()), float(every[~np.eye(n, dtype=bool)].mean()), low, high, n)
