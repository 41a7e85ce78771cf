"""Attribute binding: does the space know *which* thing is red, and which is above the other?

Captions and images come in pairs that hold the same words and the same things, differently bound. Winoground
(Thrush et al. 2022, arXiv 2204.03162) scores two captions against two images; ARO (Yuksekgonul et al. 2022, arXiv
2210.01936) and SugarCrepe (Hsieh et al. 2023, arXiv 2306.14610) one image against a true and a false caption.
Similarities that tie are broken at random, in expectation: a bag of words scores exactly chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

from clipspace.errors import InputError, check_count
from clipspace.points.embeddings import Embeddings
from clipspace.probes.datasets import Choice, Quartet
from clipspace.probes.rows import share_row
from clipspace.results.provenance import drawn_with, provenance
from clipspace.results.result import Result
from clipspace.results.table import Table
from clipspace.scenes import COLORS, SIZES, Scene, Thing, render, sample_scene
from clipspace.scenes.captions import article
from clipspace.scenes.reading import read_in_color

if TYPE_CHECKING:
    from clipspace.space import Space

Kind = Literal["color", "texture", "size", "relation"]
KINDS: tuple[Kind, ...] = ("color", "texture", "size", "relation")
OUTCOMES = ("kept", "swapped", "lost")
"""What becomes of a binding in a decode."""
TIE = 1e-6
"""Cosines nearer than this are one: float noise must not decide between equal captions."""
_CHUNK = 256


def binding_quartets(kind: Kind, n: int, *, seed: int) -> list[Quartet]:
    """``n`` rendered quartets: two things exchange colour, texture, size or positions, and the captions say so."""
    return [_quartet(pair) for pair in scene_pairs(kind, n, seed)]


def group_scores(space: Space, quartets: Sequence[Quartet]) -> Result:
    """Winoground's text, image and group scores; chance is 1/4, 1/4 and 1/6.

    *text*: each image is nearer to its own caption than to the other; *image*: each caption is nearer to its own
    image; *group*: both. An encoder of texts that is a bag of words scores 1/4 on *text*, and 0 on *image* and
    *group* where it sees any difference between the images, since both captions then prefer the same one.
    """
    if not quartets:
        raise InputError("group_scores: expected at least one quartet, got none")
    images = space.encode_images([image for q in quartets for image in q.images])
    texts = space.encode_texts([caption for q in quartets for caption in q.captions])
    similarity = np.einsum("ncd,nid->nci", _twos(texts), _twos(images))
    hits = expected_group_scores(similarity)
    chances = {"text": 1 / 4, "image": 1 / 4, "group": 1 / 6}
    return Result(
        "group_scores",
        [share_row(hits[name], chance=chance, score=name) for name, chance in chances.items()],
        provenance=provenance("group_scores", stamp=space.stamp, quartets=len(quartets)),
    )


def rendered_binding(
    space: Space, *, n: int = 200, decodes: int = 0, num_inference_steps: int | None = None, seed: int = 0
) -> Result:
    """`group_scores` of ``n`` rendered quartets of each of `KINDS`; with ``decodes``, `decoded_binding` of colour and size.

    The keys are ``kind``, ``view`` ("examples", or that of `decoded_binding`) and ``score``.
    """
    rows = []
    for kind in KINDS:
        scores = group_scores(space, binding_quartets(kind, n, seed=seed))
        rows += [{"kind": kind, "view": "examples", **row} for row in scores]
    looking = {"n": n, "decodes": decodes, "num_inference_steps": num_inference_steps}
    for kind in ("color", "size") if decodes else ():
        outcomes = decoded_binding(space, kind, **looking, seed=seed)
        rows += [{"kind": kind, "score": row.outcome, **row} for row in outcomes]
    for row in rows:
        row.pop("outcome", None)
    used = drawn_with(space, num_inference_steps) if decodes else {}
    made = provenance("rendered_binding", space if decodes else None, stamp=space.stamp, seed=seed, **looking | used)
    return Result("binding", Table(rows, ("kind", "view", "score")), provenance=made)


def expected_group_scores(similarity: np.ndarray) -> dict[str, np.ndarray]:
    """Text, image and group score of each example, in expectation over random orders of what ties.

    ``similarity[k, c, i]`` is that of caption c and image i; right are (0, 0) and (1, 1).

    >>> {name: round(float(v[0]), 3) for name, v in expected_group_scores(np.zeros((1, 2, 2))).items()}
    {'text': 0.25, 'image': 0.25, 'group': 0.167}
    """
    noise = np.array(list(permutations(range(4))), dtype=float).reshape(-1, 2, 2)

    def above(a: tuple[int, int], b: tuple[int, int]) -> np.ndarray:
        gap = (similarity[:, *a] - similarity[:, *b])[:, None]
        return np.where(np.abs(gap) > TIE, gap > 0, (noise[:, *a] > noise[:, *b])[None])

    text = above((0, 0), (1, 0)) & above((1, 1), (0, 1))
    image = above((0, 0), (0, 1)) & above((1, 1), (1, 0))
    return {"text": text.mean(axis=1), "image": image.mean(axis=1), "group": (text & image).mean(axis=1)}


def choice_accuracy(space: Space, choices: Sequence[Choice]) -> Result:
    """How often the true caption is the nearest of an image's captions; chance is 1 over their number.

    Captions that tie share the hit. Raises `InputError` for fewer than two captions, or a false caption that is
    the true one.
    """
    if not choices:
        raise InputError("choice_accuracy: expected at least one choice, got none")
    for i, item in enumerate(choices):
        if len(item.captions) < 2 or item.captions[0] in item.captions[1:]:
            raise InputError(
                f"choice_accuracy: expected a true caption and other ones, got {item.captions} at item {i}"
            )
    hits = []
    for start in range(0, len(choices), _CHUNK):
        chunk = choices[start : start + _CHUNK]
        images = space.encode_images([item.picture() for item in chunk])
        texts = space.encode_texts([caption for item in chunk for caption in item.captions]).unit
        ends = np.cumsum([len(item.captions) for item in chunk])
        for z, captions in zip(images.unit, np.split(texts, ends[:-1]), strict=True):
            hits.append(_hit(captions @ z))
    chance = float(np.mean([1 / len(item.captions) for item in choices]))
    return Result(
        "choice_accuracy",
        [share_row(np.array(hits), chance=chance, score="accuracy")],
        provenance=provenance("choice_accuracy", stamp=space.stamp, choices=len(choices)),
    )


def decoded_binding(
    space: Space,
    kind: Literal["color", "size"],
    *,
    n: int,
    decodes: int = 1,
    num_inference_steps: int | None = None,
    seed: int,
) -> Result:
    """How often decodes of two things keep, swap or lose the binding (figure 15 of DALL-E 2).

    Read without CLIP: which thing is drawn in each colour, or which colour is drawn larger. *lost* is a decode in
    which a colour is missing, or both colours show the same thing. The keys are ``view`` and ``outcome``. The rows of the
    view "true image" are the reader's control: what is not kept there, the reader cannot tell.
    """
    if kind not in ("color", "size"):
        raise InputError(f"decoded_binding: expected kind 'color' or 'size', got {kind!r}")
    check_count("decodes", decodes)
    steps = space.num_inference_steps if num_inference_steps is None else num_inference_steps
    scenes = [pair[0] for pair in scene_pairs(kind, n, seed)]
    images = [render(scene) for scene in scenes]
    points = space.encode_images(images)[np.repeat(np.arange(n), decodes)]
    decoded = space.decode(points, seed=seed, num_inference_steps=steps)
    rows = []
    for view, seen, times in (("decoded", decoded, decodes), ("true image", images, 1)):
        outcomes = [_bound(kind, image, scenes[i // times]) for i, image in enumerate(seen)]
        for outcome in OUTCOMES:
            hits = np.array([one == outcome for one in outcomes], dtype=float).reshape(n, times).mean(axis=1)
            rows.append(share_row(hits, trials=times, view=view, outcome=outcome))
    options = {"kind": kind, "n": n, "decodes": decodes, **drawn_with(space, steps)}
    return Result("decoded_binding", rows, provenance=provenance("decoded_binding", space, seed=seed, **options))


def scene_pairs(kind: Kind, n: int, seed: int) -> list[tuple[Scene, Scene]]:
    if kind not in KINDS:
        raise InputError(f"binding: expected a kind of {KINDS}, got {kind!r}")
    if n < 1:
        raise InputError(f"binding: expected at least one example, got {n}")
    return [_scene_pair(kind, np.random.default_rng([seed, i])) for i in range(n)]


def _scene_pair(kind: Kind, rng: np.random.Generator) -> tuple[Scene, Scene]:
    """A scene of two plain things, and the same with what ``kind`` names traded between them."""
    while True:
        scene = sample_scene(rng, layout="two")
        a, b = (replace(thing, texture="plain", phase=0.0) for thing in scene.things)
        if a.kind == b.kind or not all(_inside(thing) for thing in (a, b)):
            continue
        first, second = (str(c) for c in rng.choice(list(COLORS), size=2, replace=False))
        a, b = replace(a, color=first), replace(b, color=second)
        if kind == "size":
            if a.size == b.size:
                continue
        elif kind == "texture":
            b = replace(b, texture="striped")
        return replace(scene, things=(a, b)), replace(scene, things=traded(kind, a, b))


def traded(kind: Kind, a: Thing, b: Thing) -> tuple[Thing, Thing]:
    if kind == "relation":
        return replace(a, x=b.x, y=b.y), replace(b, x=a.x, y=a.y)
    return replace(a, **{kind: getattr(b, kind)}), replace(b, **{kind: getattr(a, kind)})


def _inside(thing: Thing) -> bool:
    """Whether it would be wholly in the image if it were large."""
    edge = SIZES["large"] / 128
    return edge <= thing.x <= 1 - edge and edge <= thing.y <= 1 - edge


def _quartet(scenes: tuple[Scene, Scene]) -> Quartet:
    a, b = (render(scene) for scene in scenes)
    return Quartet((a, b), (_sentence(scenes[0]), _sentence(scenes[1])))


def _sentence(scene: Scene) -> str:
    """What the two things are, all attributes but a plain texture named."""

    def phrase(thing: Thing) -> str:
        texture = [] if thing.texture == "plain" else [thing.texture]
        return article(" ".join([thing.size, *texture, thing.color, thing.kind]))

    first, second = scene.things
    return f"{phrase(first)} {scene.relation} {phrase(second)}"


def _bound(kind: str, image: Image.Image, scene: Scene) -> str:
    kinds = [thing.kind for thing in scene.things]
    read = [read_in_color(image, thing.color, kinds) for thing in scene.things]
    if read[0] is None or read[1] is None:
        return "lost"
    (first, side), (second, other) = read
    if kind == "size":
        larger = [thing.size for thing in scene.things].index("large")
        return "lost" if side == other else ("kept" if (side > other) == (larger == 0) else "swapped")
    return {(kinds[0], kinds[1]): "kept", (kinds[1], kinds[0]): "swapped"}.get((first, second), "lost")


def _hit(similarity: np.ndarray) -> float:
    """1 where the first is the highest, shared among those that tie with it."""
    ties = np.abs(similarity - similarity[0]) <= TIE
    return 0.0 if (similarity[~ties] > similarity[0]).any() else 1 / ties.sum()


def _twos(points: Embeddings) -> np.ndarray:
    return points.unit.reshape(-1, 2, points.dim)
