"""Describing images of the mini world by zero-shot: which colour, thing and ground they show, as a sentence too."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from clipspace.points.arrays import embeddings_of
from clipspace.points.embeddings import Embeddings, check_same_space
from clipspace.probes.templates import label_weights
from clipspace.scenes import COLORS, GROUNDS, THINGS, Scene
from clipspace.scenes.captions import article

if TYPE_CHECKING:
    from clipspace.points.store import Store
    from clipspace.space import Space

FACTORS = {"color": tuple(COLORS), "thing": tuple(THINGS), "ground": tuple(GROUNDS)}
"""What a description says, and what it chooses from."""


def describe(space: Space, points: Embeddings | Store) -> list[dict[str, str]]:
    """The colour, thing and ground that each of ``points`` is nearest to, as ``{factor: value}`` of `FACTORS`.

    Colour and thing are read together, among all pairs, as captions say them. An image of another world is
    described in the terms of this one all the same.
    """
    points = embeddings_of(points, "describe")
    check_same_space(space.stamp, points.stamp, "describe")
    pairs = [(color, thing) for color in FACTORS["color"] for thing in FACTORS["thing"]]
    things = points.unit @ label_weights(space, [f"{article(color)} {thing}" for color, thing in pairs]).T
    grounds = points.unit @ label_weights(space, [f"{article(ground)} ground" for ground in FACTORS["ground"]]).T
    return [
        dict(zip(FACTORS, (*pairs[pair], FACTORS["ground"][ground]), strict=True))
        for pair, ground in zip(things.argmax(axis=1), grounds.argmax(axis=1), strict=True)
    ]


def truth(scene: Scene) -> dict[str, str]:
    """The description that is true of a scene of one thing."""
    (thing,) = scene.things
    return {"color": thing.color, "thing": thing.kind, "ground": scene.ground}


def sentence(facts: Mapping[str, str]) -> str:
    """What a description says, in the words of captions.

    >>> sentence({"color": "orange", "thing": "cat", "ground": "mint"})
    'a photo of an orange cat on a mint ground'
    """
    return f"a photo of {article(facts['color'])} {facts['thing']} on a {facts['ground']} ground"


def facts_in(text: str) -> dict[str, str]:
    """The values of `FACTORS` that a text names, one of each factor at most; a factor named twice is left out.

    >>> facts_in("a photo of an orange cat on a mint ground")
    {'color': 'orange', 'thing': 'cat', 'ground': 'mint'}
    >>> facts_in("a cat and a dog")
    {'thing': 'cat'}
    """
    words = re.findall(r"[a-z]+", text.lower())
    named = {factor: [word for word in words if word in values] for factor, values in FACTORS.items()}
    return {factor: values[0] for factor, values in named.items() if len(values) == 1}
