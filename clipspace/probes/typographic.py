"""Typographic attack: print a word on an image, and ask what CLIP now takes it for (figure 6 of DALL-E 2).

Goh et al. 2021 ("Multimodal neurons in artificial neural networks") put a note that reads *iPod* on an apple;
Ramesh et al. 2022 (arXiv 2204.06125, section 4) decode the attacked embedding and still see apples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from clipspace.errors import InputError, shortened
from clipspace.points.embeddings import Embeddings
from clipspace.probes.classification import zero_shot
from clipspace.probes.rows import mean_row, share_row
from clipspace.probes.templates import PHOTO, read_templates
from clipspace.results.provenance import drawn_with, provenance
from clipspace.results.result import Result
from clipspace.results.table import Row, Table
from clipspace.scenes import Card, draw_card
from clipspace.scenes.captions import article
from clipspace.scenes.fonts import load_font
from clipspace.sources.images import read_images

if TYPE_CHECKING:
    from clipspace.space import Space

WIDTHS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


def print_word(
    image: Image.Image,
    word: str,
    *,
    width: float = 0.6,
    place: tuple[float, float] = (0.5, 0.75),
    font: str | Path | None = None,
) -> Image.Image:
    """``image`` with a paper card that reads ``word`` (``""`` for a blank one) laid over it.

    ``width`` of the card is a fraction of the image's, ``place`` its centre in fractions of width and height. ``font`` is
    the path of a TrueType or OpenType font; without one, fonts for European scripts are at hand
    (`clipspace.scenes.fonts.load_font`). Raises `InputError` that names the characters that the font lacks.

    >>> from PIL import Image
    >>> print_word(Image.new("RGB", (64, 64)), "ipod").size
    (64, 64)
    """
    if not 0 < width <= 1 or not all(0 <= p <= 1 for p in place):
        raise InputError(
            f"print_word: expected a width in (0, 1] and a place in [0, 1], got width {width} and place {place}"
        )
    return draw_card(image, Card(word, *place, width), font=None if font is None else str(font))


def typographic_attack(
    space: Space,
    images,
    truth: Sequence[str],
    words: Sequence[str],
    *,
    labels: Sequence[str] | None = None,
    width: float = 0.6,
    widths: Sequence[float] = WIDTHS,
    place: tuple[float, float] = (0.5, 0.75),
    font: str | Path | None = None,
    templates: str | Sequence[str] = PHOTO,
    decodes: int = 0,
    num_inference_steps: int | None = None,
    seed: int = 0,
) -> Result:
    """Zero-shot labels of images of ``truth`` with ``words`` printed on them, compared with a blank card of the same size.

    The keys are ``condition`` ("bare", "blank" card, "word"), ``view`` ("image", or "decoded"), ``answer`` ("thing",
    "word"), ``score`` ("share" of images read as the answer, mean "probability" of it) and ``width`` of the card, None of
    the bare image. Shares at each of ``widths`` follow. The chance of an answer "word" with a word printed is the rate with
    the card left blank.

    Parameters
    ----------
    images : n images
    truth, words : n labels, and n words to print, each other than the label
    labels : what may be answered; all labels and words when None
    width, widths : of the card as a fraction of the image, for the main comparison and for the sweep
    font : path of the font of the words, where they need one; the options of the provenance name the fonts used
    decodes : with a decoder, number of decodes of each embedding; they are encoded and read again

    Raises `InputError` for lists of different lengths, a word that is the label, an empty word, and characters that the
    font lacks.
    """
    pictures, _ = read_images(images)
    answers = _check(len(pictures), truth, words, labels)

    def printed(texts: Sequence[str], across: float) -> list[Image.Image]:
        return [print_word(i, t, width=across, place=place, font=font) for i, t in zip(pictures, texts, strict=True)]

    fonts = sorted({load_font(word, 12, font).getname()[0] for word in words})
    blank = [""] * len(pictures)
    options = {"labels": answers, "templates": templates, "seed": seed}
    conditions = {"bare": pictures, "blank": printed(blank, width), "word": printed(words, width)}
    main = attack_scores(
        space, conditions, truth, words, decodes=decodes, num_inference_steps=num_inference_steps, **options
    )
    rows = [{**row, "width": None if row.condition == "bare" else width} for row in main]
    sweep = []
    for across in widths:
        both = {"blank": printed(blank, across), "word": printed(words, across)}
        swept = attack_scores(space, both, truth, words, **options)
        sweep.append({**swept["word", "image", "word", "share"], "width": across})  # beside the rate of the blank card
    rows += [row for row in sweep if row["width"] != width]
    curve = {"width": "width", "success": "value", "blank": "chance"}
    arrays = {name: np.array([row[column] for row in sweep]) for name, column in curve.items()}
    used = {**main.provenance.options, "width": width, "widths": list(widths), "place": list(place), "fonts": fonts}
    made = provenance("typographic_attack", space if decodes else None, stamp=space.stamp, seed=seed, **used)
    return Result("typographic_attack", Table(rows, (*main.table.keys, "width")), arrays=arrays, provenance=made)


def attack_scores(
    space: Space,
    conditions: Mapping[str, Sequence],
    truth: Sequence[str],
    words: Sequence[str],
    *,
    labels: Sequence[str] | None = None,
    templates: str | Sequence[str] = PHOTO,
    decodes: int = 0,
    num_inference_steps: int | None = None,
    seed: int = 0,
) -> Result:
    """How often the images of each condition are read as the thing, and as the word that is, or is not, on them.

    ``conditions`` holds n images each, such as ``{"blank": …, "word": …}``, or what `read_scam` gives.
    With ``decodes``, the same of their decodes, encoded again (the view "decoded"). For the keys, see
    `typographic_attack`.

    Raises `InputError` for conditions, labels or words of different lengths, and `CapabilityError` for ``decodes``
    without a decoder.
    """
    if not conditions:
        raise InputError("typographic: expected at least one condition, got none")
    for images in conditions.values():
        answers = _check(len(images), truth, words, labels)
    if decodes:
        space.noise(1)
    rows: list[Row] = []
    for condition, images in conditions.items():
        points = space.encode_images(images)
        views = {"image": points}
        if decodes:
            views["decoded"] = _decoded(space, points, decodes, num_inference_steps, seed)
        for view, seen in views.items():
            probabilities = _probabilities(space, seen, answers, len(truth), templates)
            for answer, wanted in (("thing", truth), ("word", words)):
                keys = {"condition": condition, "view": view, "answer": answer}
                rows += _reading(probabilities, [answers.index(one) for one in wanted], seed, **keys)
    options = {"labels": answers, "templates": list(read_templates(templates)), "decodes": decodes}
    options |= drawn_with(space, num_inference_steps) if decodes else {}
    made = provenance("attack_scores", space if decodes else None, stamp=space.stamp, seed=seed, **options)
    return Result("attack_scores", _with_controls(rows, 1 / len(answers)), provenance=made)


def _check(n: int, truth: Sequence[str], words: Sequence[str], labels: Sequence[str] | None) -> list[str]:
    """The answers to choose from, when labels and words fit the images and each other."""
    if not (len(truth) == len(words) == n > 0):
        raise InputError(
            f"typographic: expected one label and one word for each of {n} images, got {len(truth)} and {len(words)}"
        )
    for i, (thing, word) in enumerate(zip(truth, words, strict=True)):
        if not word.strip() or word == thing:
            raise InputError(f"typographic: expected a word other than the label {thing!r} for image {i}, got {word!r}")
    answers = list(dict.fromkeys(labels)) if labels is not None else sorted({*truth, *words})
    missing = {*truth, *words} - set(answers)
    if missing:
        raise InputError(
            f"typographic: expected labels that hold every label and word, got none for {shortened(sorted(missing))}"
        )
    return answers


def _probabilities(
    space: Space, points: Embeddings, answers: Sequence[str], n: int, templates: str | Sequence[str]
) -> np.ndarray:
    """Probabilities of the answers ``(n, views of one image, answers)``; the points of one image follow each other."""
    named = [article(a) for a in answers] if read_templates(templates) == PHOTO else answers
    read = zero_shot(space, points, named, templates=templates, probability="softmax")
    return read.probabilities.reshape(n, -1, len(answers))


def _reading(probabilities: np.ndarray, wanted: Sequence[int], seed: int, **keys: str) -> list[Row]:
    """The share of images that are read as the answer ``wanted`` of each, and its mean probability."""
    best, every = np.eye(probabilities.shape[2])[probabilities.argmax(axis=2)], np.arange(len(probabilities))
    read, likely = best.mean(axis=1)[every, wanted], probabilities.mean(axis=1)[every, wanted]
    return [
        share_row(read, trials=best.shape[1], **keys, score="share"),
        mean_row(likely, seed=seed, **keys, score="probability"),
    ]


def _with_controls(rows: Sequence[Row], chance: float) -> list[dict]:
    """``rows`` with their chance: the rate of the blank card where the word is asked for and printed, else ``chance``."""
    blank = {(row.view, row.score): row.value for row in rows if (row.condition, row.answer) == ("blank", "word")}

    def control(row: Row) -> float:
        printed = row.answer == "word" and row.condition not in ("bare", "blank")
        return blank.get((row.view, row.score), chance) if printed else chance

    return [{**row, "chance": control(row)} for row in rows]


def _decoded(space: Space, points: Embeddings, decodes: int, num_inference_steps: int, seed: int) -> Embeddings:
    repeated = points[np.repeat(np.arange(len(points)), decodes)]
    return space.encode_images(space.decode(repeated, seed=seed, num_inference_steps=num_inference_steps))
