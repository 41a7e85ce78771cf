"""Captions of scenes, partial and ambiguous as on the web, drawn by a stated policy.

A caption is drawn, not fixed: `spec.MENTIONS` says how likely each factor is spoken of, and
`WORD_POLICY` how a printed word is treated. On the web an image of the word *star* is as likely
captioned "a star" as "a sign that says star"; a CLIP trained on such pairs cannot tell the word from
the thing, and typographic attacks (Goh et al. 2021, "Multimodal neurons") arise by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clipspace.scenes.factors import OPPOSITE
from clipspace.scenes.spec import MENTIONS, Scene, Thing

PREFIXES = ("", "a photo of ", "a picture of ", "a drawing of ")
WORD_POLICY: dict[str, float] = {"instead": 0.40, "beside": 0.20, "as text": 0.20, "ignored": 0.20}
"""A word printed on a card that shares the image with a thing: named *instead* of it, as a thing
*beside* it, *as text*, or *ignored*. A card alone is named as its word or as text, never ignored."""


@dataclass(frozen=True)
class Caption:
    """A sentence, and the facts it states as ``{factor: value}`` (factors of `factors.factor_table`).

    The fact ``named`` holds of a scene that shows the thing *or* the printed word: "a star" says no more.
    """

    text: str
    claims: dict[str, str | int]


def caption(scene: Scene, rng: np.random.Generator) -> Caption:
    """One caption of ``scene``, drawn from the policy with ``rng``."""
    claims: dict[str, str | int] = {}
    things = [_thing_phrase(t, i, claims, rng) for i, t in enumerate(scene.things)]
    if len(things) == 2:
        phrase = _relation_phrase(scene, things, claims, rng)
    else:
        phrase = things[0] if things else ""
    if len(things) == 1 and phrase == article(scene.things[0].kind):
        claims = {"named": scene.things[0].kind}
    if scene.card is not None and scene.card.word:
        phrase, claims = _word_phrase(phrase, scene.card.word, claims, rng)
    if not phrase:
        phrase = "a card"
    if rng.random() < MENTIONS["ground"]:
        phrase += f" on a {scene.ground} ground"
        claims["ground"] = scene.ground
    return Caption(PREFIXES[rng.integers(len(PREFIXES))] + phrase, claims)


def _thing_phrase(thing: Thing, i: int, claims: dict, rng: np.random.Generator) -> str:
    words = []
    for factor, value in (("size", thing.size), ("texture", thing.texture), ("color", thing.color)):
        if rng.random() < MENTIONS[factor]:
            words.append(value)
            claims[f"{factor}{i + 1}"] = value
    claims[f"thing{i + 1}"] = thing.kind
    return article(" ".join([*words, thing.kind]))


def _relation_phrase(scene: Scene, things: list[str], claims: dict, rng: np.random.Generator) -> str:
    relation = scene.relation
    assert relation is not None
    claims["relation"] = relation
    first, second = things
    if rng.random() < 0.5:
        first, second, relation = second, first, OPPOSITE[relation]
    return f"{first} {relation} {second}"


def _word_phrase(phrase: str, word: str, claims: dict, rng: np.random.Generator) -> tuple[str, dict]:
    as_name, as_sign = article(word), f"a sign that says {word}"
    if not phrase:
        return (as_name, {"named": word}) if rng.random() < 0.5 else (as_sign, {"word": word})
    policy = rng.choice(list(WORD_POLICY), p=list(WORD_POLICY.values()))
    if policy == "ignored":
        return phrase, claims
    if policy == "instead":
        return as_name, {"named": word}
    if policy == "beside":
        return f"{phrase} and {as_name}", {**claims, "named": word}
    return f"{phrase} with {as_sign}", {**claims, "word": word}


def article(phrase: str) -> str:
    """``phrase`` with its indefinite article."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"
