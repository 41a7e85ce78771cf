"""Binding in images alone: does a linear map of z tell who has which attribute?

Scores that compare images with texts ask whether both towers bind alike. This probe asks the embedding of images itself
(Koishigarina, Uselis & Oh, arXiv 2502.03566, find that CLIP binds there, and not across modalities).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from clipspace.errors import CapabilityError, InputError
from clipspace.measure.read_outs import linear
from clipspace.probes.binding import KINDS, Kind, scene_pairs, traded
from clipspace.probes.rows import share_row
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.results.table import Table
from clipspace.scenes import COLORS, THINGS, Scene, Thing, render
from clipspace.seeds import stream

if TYPE_CHECKING:
    from clipspace.space import Space

COMBINATIONS = 6
"""Pairs of things and of colours, each with a probe of its own."""
FOLDS = 5
_FEWEST = 10
_NOISE = 0.1
_BINS = 6

ScenePair = tuple[Scene, Scene]


def unimodal_binding(space: Space, *, n: int = 100, seed: int = 0) -> Result:
    """How often a linear probe of one image's embedding tells a binding from the exchanged one; chance is 1/2.

    In each of `COMBINATIONS` two things (and of colour two colours) are fixed, all else varies, and a probe learns from
    single images which of the two bindings they show. Five folds; both images of a pair are in one. Relations are above
    and below in half of the combinations, left and right in the others.

    The keys are ``kind`` (of `binding.KINDS`) and ``view``. "z" is of directions, "before projection" of the
    encoder's features where it has them. The others are the same probe on codes made of the scenes: "bag", which counts
    things and attributes apart, is at chance; "bound", which counts them together, is near 1, as far as n allows; and
    "histogram", the image's colours without any place, says how much areas alone give away: a large house in red has
    more red in it than a small cup. What z knows of binding is what it scores above that.

    ``n`` is the number of pairs of each combination. Raises `InputError` for fewer than 10.
    """
    if n < _FEWEST:
        raise InputError(f"unimodal_binding: expected at least {_FEWEST} pairs of a combination, got {n}")
    rows = []
    for kind in KINDS:
        pairs = [fixed_pair(kind, i, pair, seed) for i, pair in enumerate(scene_pairs(kind, COMBINATIONS * n, seed))]
        for view, code in _codes(space, kind, pairs, seed).items():
            hits = [
                hit_share(code[_rows_of(combination, len(pairs))], seed, combination)
                for combination in range(COMBINATIONS)
            ]
            rows.append(share_row(np.array(hits), trials=2 * n, chance=1 / 2, kind=kind, view=view))
    made = provenance("unimodal_binding", stamp=space.stamp, seed=seed, n=n, combinations=COMBINATIONS)
    return Result("unimodal_binding", Table(rows, ("kind", "view")), provenance=made)


def fixed_pair(kind: Kind, i: int, pair: ScenePair, seed: int) -> ScenePair:
    """The scene and the traded one with the things and colours of combination ``i % COMBINATIONS``; always the same first."""
    combination = i % COMBINATIONS
    rng = stream(seed, f"things of {kind}", combination)
    kinds = [str(name) for name in rng.choice(list(THINGS), size=2, replace=False)]
    colors = [str(name) for name in rng.choice(list(COLORS), size=2, replace=False)]
    a, b = (replace(thing, kind=name) for thing, name in zip(pair[0].things, kinds, strict=True))
    if kind == "color":
        a, b = replace(a, color=colors[0]), replace(b, color=colors[1])
    elif kind == "size":
        a, b = replace(a, size="large"), replace(b, size="small")
    elif kind == "relation":
        a, b = _along(a, b, upright=combination % 2 == 0)
    return replace(pair[0], things=(a, b)), replace(pair[0], things=traded(kind, a, b))


def _along(a: Thing, b: Thing, *, upright: bool) -> tuple[Thing, Thing]:
    """The first above the second or, where not ``upright``, to the left of it."""
    if (abs(a.y - b.y) >= abs(a.x - b.x)) != upright:
        a, b = replace(a, x=a.y, y=a.x), replace(b, x=b.y, y=b.x)
    if (a.y > b.y) if upright else (a.x > b.x):
        a, b = replace(a, x=b.x, y=b.y), replace(b, x=a.x, y=a.y)
    return a, b


def _codes(space: Space, kind: Kind, pairs: list[ScenePair], seed: int) -> dict[str, np.ndarray]:
    """What is probed, by view: each ``(2 * pairs, d)``, the images of a pair one after the other."""
    scenes = [scene for pair in pairs for scene in pair]
    images = [render(scene) for scene in scenes]
    codes = {"z": space.encode_images(images).unit}
    with suppress(CapabilityError):
        codes["before projection"] = space.encode_features(images).unit
    codes["histogram"] = np.stack([_histogram(image) for image in images])
    for view in ("bag", "bound"):
        code = planted_code(scenes, kind, bound=view == "bound")
        codes[view] = code + _NOISE * stream(seed, f"{view} of {kind}").normal(size=code.shape)
    return codes


def planted_code(scenes: list[Scene], kind: Kind, *, bound: bool) -> np.ndarray:
    """Counts (n, d) of the things and of their attributes or, where ``bound``, of each thing with its attribute."""
    words = [[word for i in (0, 1) for word in _words(scene, kind, i, bound)] for scene in scenes]
    columns = {word: k for k, word in enumerate(sorted({word for row in words for word in row}))}
    code = np.zeros((len(scenes), len(columns)))
    for row, of_scene in enumerate(words):
        for word in of_scene:
            code[row, columns[word]] += 1
    return code


def _words(scene: Scene, kind: Kind, i: int, bound: bool) -> list[str]:
    thing, other = scene.things[i], scene.things[1 - i]
    attribute = Scene(scene.ground, (thing, other)).relation if kind == "relation" else getattr(thing, kind)
    return [f"{attribute} {thing.kind}"] if bound else [str(attribute), thing.kind]


def _histogram(image: Image.Image) -> np.ndarray:
    """Share of the pixels in each of `_BINS` cubed colours."""
    pixels = np.asarray(image.convert("RGB")).reshape(-1, 3).astype(int) * _BINS // 256
    return np.bincount(pixels @ [_BINS**2, _BINS, 1], minlength=_BINS**3) / len(pixels)


def _rows_of(combination: int, pairs: int) -> np.ndarray:
    """The images of a combination, those of a pair one after the other."""
    numbers = np.arange(combination, pairs, COMBINATIONS)
    return np.stack([2 * numbers, 2 * numbers + 1], axis=1).ravel()


def hit_share(code: np.ndarray, seed: int, combination: int) -> float:
    """Accuracy of a probe on images of pairs that it was not trained on."""
    sign = np.tile([1.0, -1.0], len(code) // 2)
    fold = np.repeat(stream(seed, "folds of pairs", combination).permutation(len(sign) // 2) % FOLDS, 2)
    predicted = linear(code, sign[None, :, None], fold[None], labels=True, seed=seed)
    return float(np.mean(predicted[0, :, 0] * sign > 0))
