"""Does a printed word change what CLIP takes a picture for, and what the decoder draws from it?

Figure 6 of DALL-E 2 (Ramesh et al. 2022, arXiv 2204.06125, section 4), after Goh et al. 2021: a picture bare, with
a blank card, and with a card that reads a word; zero-shot probabilities of the thing and the words, for the picture
and for decodes of its embedding.

In the paper an apple labelled iPod is an iPod to CLIP (99.98 %), yet decodes to apples and never to iPods. The blank
card is the control: what it does, the card does and not the word.

A surprise would be a blank card that changes the reading as much as a word, or a decoder that draws the word's thing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from clipspace.analyses.examples import EXAMPLES, pictures
from clipspace.errors import InputError, check_count, shortened
from clipspace.probes.typographic import print_word
from clipspace.probes.zero_shot import zero_shot
from clipspace.results import Result, provenance, stacked
from clipspace.scenes import THINGS, render
from clipspace.scenes.captions import article
from clipspace.seeds import child_seed
from clipspace.space import Space

TAKES = ("rows",)
SCENES = "{pictures} rendered scenes"
READ = "the thing that each shows is what zero-shot reads, among the things of rendered scenes"

WORDS = ("ipod", "pizza", "car", "house", "cat")
"""Printed where the caller names none: the first two that no picture shows."""


def run(
    space: Space,
    images: Sequence | None = None,
    *,
    words: tuple[str, ...] = (),
    thing: str = "",
    font: str = "",
    draws: int = 4,
    seed: int = 0,
    num_inference_steps: int = 20,
) -> Result:
    """Each picture bare, with a blank card and with each of ``words``, read before and after ``draws`` decodings.

    Where ``words`` is empty, two of `WORDS` that no picture shows are printed. ``thing`` says what the pictures show;
    where it is empty, zero-shot reads it, among the things of scenes. ``font`` is the path
    of a font that has the words' characters, where they need one. Raises `InputError` where a word is shown.
    """
    check_count("draws", draws)
    first = [render(EXAMPLES[0])] if images is None else images
    sources, names = pictures(space, first, "typographic_attack")
    shown = [thing] * len(sources) if thing else _things(space, sources)
    words = _words(words, shown)
    rows, table = [], []
    for source, named, name in zip(sources, names, shown, strict=True):
        cards = {
            "bare": source,
            "blank card": _card(source, "", font),
            **{f"“{word}”": _card(source, word, font) for word in words},
        }
        answers = [article(answer) for answer in (name, *words)]
        points = space.encode_images(list(cards.values()))
        seeds = [child_seed(seed, "draw", k) for k in range(draws)]
        decoded = [space.decode(points, seed=own, num_inference_steps=num_inference_steps) for own in seeds]
        read = zero_shot(space, points, answers, probability="softmax").probabilities
        again = np.mean(
            [zero_shot(space, drawn, answers, probability="softmax").probabilities for drawn in decoded], axis=0
        )
        for j, (card, picture) in enumerate(cards.items()):
            rows.append([picture, decoded[0][j]])
            probabilities = {**_columns("", words, read[j]), **_columns("decoded ", words, again[j])}
            table.append({"image": named, "thing": name, "card": card, **probabilities})
    options = {"pictures": names, "words": list(words), "thing": thing, "font": font, "draws": draws, "seed": seed}
    return Result(
        "typographic_attack",
        table,
        _findings(table, words),
        {"images": stacked(rows)},
        {"words": words},
        provenance(space, **options, num_inference_steps=num_inference_steps),
    )


def _things(space: Space, sources: Sequence) -> list[str]:
    """The thing of the mini world that zero-shot reads off each picture."""
    known = list(THINGS)
    read = zero_shot(space, sources, [article(name) for name in known]).probabilities.argmax(axis=1)
    return [known[k] for k in read]


def _words(words: Sequence[str], shown: Sequence[str]) -> tuple[str, ...]:
    """The words to print, none of which a picture shows."""
    chosen = words or [word for word in WORDS if word not in shown][:2]
    if not chosen or not all(word.strip() for word in chosen) or set(chosen) & set(shown):
        raise InputError(
            f"typographic_attack: expected words other than what the pictures show {shortened(sorted(set(shown)))}, "
            f"got {shortened(chosen)}; pass other words, or say what they show with thing="
        )
    return tuple(chosen)


def _card(source: Image.Image, word: str, font: str) -> Image.Image:
    return print_word(source, word, place=(0.5, 0.78), font=font or None)


def _columns(view: str, words: Sequence[str], probabilities: np.ndarray) -> dict[str, float]:
    """Columns of the table: the probability of the thing and of each word."""
    return {f"{view}P({name})": float(p) for name, p in zip(("thing", *words), probabilities, strict=True)}


def _findings(table: list[dict], words: Sequence[str]) -> list[str]:
    def mean(column: str, card: str) -> float:
        return float(np.mean([row[column] for row in table if row["card"] == card]))

    found = [
        f"With “{word}” on a card CLIP reads {word} with probability {mean(f'P({word})', f'“{word}”'):.1%} (blank card "
        f"{mean(f'P({word})', 'blank card'):.1%}, bare {mean(f'P({word})', 'bare'):.1%}); off the decodes of that "
        f"embedding it reads {mean(f'decoded P({word})', f'“{word}”'):.1%}."
        for word in words[:2]
    ]
    attacked = [row for row in table if row["card"] not in ("bare", "blank card")]
    kept = np.mean([row["decoded P(thing)"] for row in attacked])
    return [
        *found,
        f"The thing itself is read with probability {mean('decoded P(thing)', 'bare'):.1%} off decodes of the bare picture, "
        f"the control, and {kept:.1%} off decodes of the attacked ones.",
    ]
