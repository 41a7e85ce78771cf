"""Captions of scenes, partial and ambiguous as on the web, drawn by a stated policy.

A caption is drawn, not fixed: `spec.MENTIONS` says how likely each factor is spoken of, and
`WORD_POLICY` how a printed word is treated. On the web an image of the word *star* is as likely
captioned "a star" as "a sign that says star"; a CLIP trained on such pairs cannot tell the word from
the thing, and typographic attacks (Goh et al. 2021, "Multimodal neurons") arise by themselves.
`POLICIES` are further tables of mentions, for CLIPs of the same images under other captions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from clipspace.scenes.factors import OPPOSITE
from clipspace.scenes.spec import MENTIONS, Card, Scene, Thing
from clipspace.scenes.wording import amount_in_words

PREFIXES = ("", "a photo of ", "a picture of ", "a drawing of ")
WORD_POLICY: dict[str, float] = {"instead": 0.40, "beside": 0.20, "as text": 0.20, "ignored": 0.20}
"""A word printed on a card that shares the image with a thing: named *instead* of it, as a thing
*beside* it, *as text*, or *ignored*. A card alone is named as its word or as text, never ignored."""


@dataclass(frozen=True)
class Caption:
    """A sentence, and the facts it states as ``{factor: value}`` (factors of `factors.factor_table`).

    The fact ``named`` holds of a scene that shows the thing *or* the printed word: "a star" says no more. An amount
    is stated in words (`wording.AMOUNTS`).
    """

    text: str
    claims: dict[str, str | int]


def caption(scene: Scene, rng: np.random.Generator, mentions: Mapping[str, float] = MENTIONS) -> Caption:
    """One caption of ``scene``, drawn with ``rng`` from the policy ``mentions``.

    ``mentions`` holds the probability of each factor of `MENTIONS`. Of two things the caption names one alone where
    their count goes unsaid. Words are spoken of by `WORD_POLICY`, or never where ``mentions["word"]`` is 0.
    """
    claims: dict[str, str | int] = {}
    shown = scene.things
    if len(shown) == 2 and not _said(mentions["count"], rng):
        shown = (shown[int(rng.integers(2))],)
    things = [_thing_phrase(thing, i, claims, rng, mentions) for i, thing in enumerate(shown)]
    if len(things) == 2:
        phrase = _phrase_of_two(scene, things, claims, rng, mentions)
    else:
        phrase = things[0] if things else ""
    if len(shown) == 1 and phrase == article(shown[0].kind):
        claims = {"named": shown[0].kind}
    if scene.card is not None:
        if scene.card.word and mentions["word"]:
            phrase, claims = _word_phrase(phrase, scene.card.word, claims, rng)
        phrase = _card_phrase(phrase, scene.card, claims, rng, mentions)
    if _said(mentions["ground"], rng):
        phrase += f" on a {scene.ground} ground"
        claims["ground"] = scene.ground
    return Caption(PREFIXES[rng.integers(len(PREFIXES))] + phrase, claims)


def _said(probability: float, rng: np.random.Generator) -> bool:
    """Whether a factor is spoken of; what is certain draws no number."""
    return probability >= 1 or (probability > 0 and rng.random() < probability)


def _thing_phrase(thing: Thing, i: int, claims: dict, rng: np.random.Generator, mentions: Mapping[str, float]) -> str:
    words = []
    for factor, value in (("size", thing.size), ("texture", thing.texture), ("color", thing.color)):
        if _said(mentions[factor], rng):
            words.append(value)
            claims[f"{factor}{i + 1}"] = value
    if _said(mentions["thing"], rng):
        words.append(thing.kind)
        claims[f"thing{i + 1}"] = thing.kind
    else:
        words.append("thing")
    for factor, amount in (("y", thing.y), ("x", thing.x), ("rotation", thing.rotation)):
        if _said(mentions[factor], rng):
            claims[f"{factor}{i + 1}"] = amount_in_words(factor, amount)
            words.append(claims[f"{factor}{i + 1}"])
    return article(" ".join(words))


def _phrase_of_two(
    scene: Scene, things: list[str], claims: dict, rng: np.random.Generator, mentions: Mapping[str, float]
) -> str:
    """The two things in either order, with their relation or an "and"."""
    relation = scene.relation
    assert relation is not None
    first, second = things
    said = _said(mentions["relation"], rng)
    if said:
        claims["relation"] = relation
    if rng.random() < 0.5:
        first, second, relation = second, first, OPPOSITE[relation]
    return f"{first} {relation if said else 'and'} {second}"


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


def _card_phrase(phrase: str, card: Card, claims: dict, rng: np.random.Generator, mentions: Mapping[str, float]) -> str:
    """The phrase with what is said of the card's width and place; "a card" where nothing else is there to name."""
    words = {
        name: amount_in_words(name, amount)
        for name, amount in (("card_width", card.width), ("card_y", card.y), ("card_x", card.x))
        if _said(mentions[name], rng)
    }
    claims |= words
    if not words:
        return phrase or "a card"
    width = [words.pop("card_width")] if "card_width" in words else []
    place = article(" ".join([*width, "card", *words.values()]))
    return f"{phrase} with {place}" if phrase else place


def article(phrase: str) -> str:
    """``phrase`` with its indefinite article."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"
