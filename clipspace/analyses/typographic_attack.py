"""Does a printed word change what CLIP sees in an image, and what the decoder draws from it?

Figure 6 of DALL-E 2 (Ramesh et al. 2022, arXiv 2204.06125, section 4), after Goh et al. 2021: an image without a card, with a
blank card, and with a word on the card; the zero-shot label of the image, and of decodes of its embedding.

In the paper an apple labelled iPod is an iPod to CLIP (99.98 %), and still decodes to apples and never to iPods. One image
shows little, so the shares here are over many images, with intervals. The blank card is the control: it shows which part of
the change comes from the card and not from the word. What CLIP reads in a decode is circular, because the same CLIP steered
the decoder.

Would contradict expectation: a blank card that changes the label as often as a word does, or a decoder that draws the thing
that the word names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from clipspace.analyses import Analysis, Cost
from clipspace.analyses.examples import pictures, unseen_scenes
from clipspace.errors import InputError, check_count, shortened
from clipspace.measure.bootstrap import bootstrap
from clipspace.probes.classification import zero_shot
from clipspace.probes.typographic import print_word
from clipspace.results.pictures import stacked
from clipspace.results.provenance import drawn_with, provenance
from clipspace.results.result import Result
from clipspace.scenes import THINGS, render
from clipspace.scenes.captions import article
from clipspace.seeds import stream

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from clipspace.space import Space

ANALYSIS = Analysis(
    order=50,
    title="Typographic attack",
    takes=("rows",),
    scenes="{n:,} rendered scenes, of which {decoded} are decoded",
    read="the thing that each shows is what zero-shot reads, among the things of rendered scenes",
    demo=True,
    options={
        "words": "Word to print on each image; may be repeated. By default two that no image shows.",
        "thing": "What your images show; by default the zero-shot label of each.",
        "font": "Path of a font that has the characters of the words.",
        "n": "Rendered scenes to attack, when no images are given.",
        "decoded": "Pairs of an image and a word that are decoded as well.",
        "draws": "Decodes of each of these pairs.",
    },
    quick={"n": 12, "decoded": 2, "draws": 1, "num_inference_steps": 3},
    cost=Cost(steps=1920, images=700, seconds=0.5),
)

WORDS = ("ipod", "pizza", "car", "house", "cat")
"""Default words; the first two that no image shows are printed."""
CARDS = ("bare", "blank card", "word")
_SHOWN = 4


class _Attack(NamedTuple):
    """Images, and the cards laid on them: ``of[i]`` is the row of the image that pair i is made of."""

    sources: list[Image.Image]
    names: list[str]
    of: np.ndarray
    truth: list[str]
    words: list[str]


class _View(NamedTuple):
    """Probabilities of the answers ``(images, draws, answers)``, read off images and off decodes; and the decodes."""

    image: np.ndarray
    decode: np.ndarray
    drawn: list[Image.Image]


def run(
    space: Space,
    images: Sequence | None = None,
    *,
    words: tuple[str, ...] = (),
    thing: str = "",
    font: str = "",
    n: int = 200,
    decoded: int = 8,
    draws: int = 4,
    seed: int = 0,
    num_inference_steps: int = 20,
) -> Result:
    """Shares of images that are read as their thing, and as the word: bare, with a blank card, and with the word.

    Of ``n`` scenes each has the name of another thing printed on it, as ``clipspace probe typographic`` does, with the same
    numbers. The user's ``images`` have each of ``words`` printed on them; where those are empty, two of `WORDS` that none
    shows. ``thing`` says what they show; where it is empty, zero-shot reads it, among the things of scenes. ``font`` is the
    path of a font that has the words' characters, where they need one. The first
    ``decoded`` pairs of an image and a word are decoded ``draws`` times each and read again.

    Raises `InputError` where a word is shown.
    """
    for name, value in (("n", n), ("decoded", decoded), ("draws", draws)):
        check_count(name, value)
    attack = _on_scenes(space, n, seed) if images is None and not words else _on_images(space, images, words, thing)
    answers = sorted({*attack.truth, *attack.words})
    cards = _cards(attack, font)
    n_decoded = min(decoded, len(attack.of))
    options = {"seed": seed, "num_inference_steps": num_inference_steps}
    views = {card: _look(space, images, n_decoded, draws, answers, **options) for card, images in cards.items()}
    table = [
        _row(attack, answers, view_kind, card, getattr(view, view_kind), seed)
        for view_kind in ("image", "decode")
        for card, view in views.items()
    ]
    pairs_shown = range(min(_SHOWN, n_decoded))
    rows = [
        [image_row[i] for card in CARDS for image_row in (cards[card], views[card].drawn[::draws])] for i in pairs_shown
    ]
    readings = [
        answers[int(p[i, 0].argmax())]
        for i in pairs_shown
        for card in CARDS
        for p in (views[card].image, views[card].decode)
    ]
    options |= {"words": list(words), "thing": thing, "font": font, "n": n, "decoded": decoded, "draws": draws}
    return Result(
        "typographic_attack",
        table,
        _findings(table, attack, answers),
        {"images": stacked(rows)},
        {
            "words": attack.words[: len(pairs_shown)],
            "rows": [f"{attack.truth[i]}, “{attack.words[i]}”" for i in pairs_shown],
            "said": readings,
        },
        provenance(
            "typographic_attack", space, pictures=attack.names, **options | drawn_with(space, num_inference_steps)
        ),
    )


def _on_scenes(space: Space, n: int, seed: int) -> _Attack:
    """Scenes that no training saw and the name of another thing for each: those of the probe's command."""
    if space.decoder is None:
        pictures(space, None, "typographic_attack")  # says so
    scenes = unseen_scenes(n, seed=seed, layout="one")
    truth, rng = [scene.things[0].kind for scene in scenes], stream(seed, "printed words")
    words = [str(rng.choice([kind for kind in THINGS if kind != thing])) for thing in truth]
    return _Attack([render(scene) for scene in scenes], [f"{n} scenes"], np.arange(n), truth, words)


def _on_images(space: Space, images: Sequence | None, words: Sequence[str], thing: str) -> _Attack:
    """Each image with each word."""
    sources, names = pictures(space, images, "typographic_attack")
    things_shown = [thing] * len(sources) if thing else _things(space, sources)
    chosen_words = _words(words, things_shown)
    image_rows = np.repeat(np.arange(len(sources)), len(chosen_words))
    return _Attack(sources, names, image_rows, [things_shown[i] for i in image_rows], list(chosen_words) * len(sources))


def _cards(attack: _Attack, font: str) -> dict[str, list[Image.Image]]:
    """Every pair bare, with a blank card, and with its word."""
    bare = [attack.sources[i] for i in attack.of]
    printed = [print_word(image, word, font=font or None) for image, word in zip(bare, attack.words, strict=True)]
    blank = [print_word(image, "", font=font or None) for image in bare]
    return dict(zip(CARDS, (bare, blank, printed), strict=True))


def _look(space: Space, images: Sequence, n_decoded: int, draws: int, answers: Sequence[str], **options: Any) -> _View:
    """What CLIP reads off every image, and off ``draws`` decodes of each of the first ``n_decoded``."""
    texts = [article(answer) for answer in answers]
    points = space.encode_images(images)
    image_probabilities = zero_shot(space, points, texts, probability="softmax").probabilities
    decodes = space.decode(points[np.repeat(np.arange(n_decoded), draws)], **options)
    decode_probabilities = zero_shot(space, decodes, texts, probability="softmax").probabilities
    return _View(image_probabilities[:, None], decode_probabilities.reshape(n_decoded, draws, len(answers)), decodes)


def _things(space: Space, sources: Sequence) -> list[str]:
    """The thing of the mini world that zero-shot reads off each image."""
    candidates = list(THINGS)
    best = zero_shot(space, sources, [article(name) for name in candidates]).probabilities.argmax(axis=1)
    return [candidates[k] for k in best]


def _words(words: Sequence[str], things_shown: Sequence[str]) -> tuple[str, ...]:
    """The words to print, none of which an image shows."""
    chosen_words = words or [word for word in WORDS if word not in things_shown][:2]
    if not chosen_words or not all(word.strip() for word in chosen_words) or set(chosen_words) & set(things_shown):
        raise InputError(
            f"typographic_attack: expected words other than what the images show {shortened(sorted(set(things_shown)))}, "
            f"got {shortened(chosen_words)}; pass other words, or say what they show with thing="
        )
    return tuple(chosen_words)


def _row(attack: _Attack, answers: list[str], view_kind: str, card: str, p: np.ndarray, seed: int) -> dict[str, Any]:
    """How often, and how probably, the thing and the word are read: ``p`` is ``(pairs, draws, answers)``."""
    image_rows, pairs = attack.of[: len(p)], np.arange(len(p))
    best = np.eye(len(answers))[p.argmax(axis=2)].mean(axis=1)
    row: dict[str, Any] = {"card": card, "seen": view_kind}
    for kind, names_of_pairs in (("thing", attack.truth), ("word", attack.words)):
        answer_numbers = [answers.index(value) for value in names_of_pairs[: len(p)]]
        shares = _by_image(best[pairs, answer_numbers], image_rows)
        low, high = bootstrap(shares, seed=seed)
        row |= {f"read as the {kind}": float(shares.mean()), f"{kind} low": low, f"{kind} high": high}
        row[f"P({kind})"] = float(_by_image(p.mean(axis=1)[pairs, answer_numbers], image_rows).mean())
    return row | {"chance": 1 / len(answers), "images": len(set(image_rows)), "pairs": len(p)}


def _by_image(values: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Means over the pairs of each image, so that intervals are over images."""
    return np.bincount(of, values) / np.bincount(of)


def _findings(table: list[dict], attack: _Attack, answers: list[str]) -> list[str]:
    rows = {(row["card"], row["seen"]): row for row in table}

    def share(card: str, view_kind: str = "image", kind: str = "word") -> str:
        row = rows[card, view_kind]
        value = f"{row[f'read as the {kind}']:.0%}"
        return value if row["images"] < 2 else f"{value} [{row[f'{kind} low']:.0%}, {row[f'{kind} high']:.0%}]"

    pairs, n_decoded = len(attack.of), rows["word", "decode"]["pairs"]
    sources = f"{len(attack.sources)} images" + (
        f" ({pairs} pairs of an image and a word)" if pairs > len(set(attack.of)) else ""
    )
    return [
        f"With a word on a card, the word is CLIP's zero-shot label of {share('word')} of {sources}, among {len(answers)} labels (chance "
        f"{1 / len(answers):.0%}); with a blank card of {share('blank card')}, and without a card of {share('bare')}.",
        f"Of decodes of {n_decoded} attacked embeddings CLIP labels {share('word', 'decode')} as the word and "
        f"{share('word', 'decode', 'thing')} as the thing; of decodes of the images without a card, the control, "
        f"{share('bare', 'decode', 'thing')} as the thing. This is circular: the CLIP that steered the decoder labels its images.",
    ]


_FONT_SIZE = 1.25
"""Font size of the readings below images, in points an inch of the figure's width: names of things fit their cell."""


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """Above the first images and a decode of each, what CLIP reads below; under them the shares of all, with intervals."""
    from matplotlib import rc_context

    from clipspace.plot import grid, page, paper, trim, width

    images, labels = result.arrays["images"], result.labels
    rows, columns = images.shape[:2]
    captions = [labels["said"][i * columns : (i + 1) * columns] for i in range(rows)]
    cards = [card for row in result.table if row["seen"] == "image" for card in (row["card"], "decode")]
    names = {
        "row_labels": [name.replace(", “", "\nword “") for name in labels["rows"]],
        "column_labels": cards,
        "captions": captions,
    }
    with paper(venue), rc_context({"xtick.labelsize": min(8, _FONT_SIZE * width(venue))}):
        figure = page(venue)
        above, below = figure.subplots(2, 1, height_ratios=[1.22 * rows, 0.42 * len(result.table)])
        grid(images, **names, breaks=[2, 4], wrap=15, ax=above).set_xlabel("below each image: what CLIP reads")
        _color_readings(result, above)
        _draw_shares(result, below)
        return trim(figure)


_KINDS = {"thing": (0, "s"), "word": (1, "o")}
"""What is read: index into plot.COLORS, and marker."""


def _color_readings(result: Result, ax: Axes) -> None:
    """Readings in the colours of the lower panel: the thing, or the word; others stay black."""
    from clipspace.plot import COLORS

    rows = [row.removesuffix("”").split(", “") for row in result.labels["rows"]]
    for i, text in enumerate(ax.texts):
        thing, word = rows[i * len(rows) // len(ax.texts)]
        for kind, name in (("thing", thing), ("word", word)):
            if text.get_text() == name:
                text.set_color(COLORS[_KINDS[kind][0]])


def _draw_shares(result: Result, ax: Axes) -> None:
    """One line for each card, of images and of decodes, with how many; a tick is chance, and the blank card the control."""
    from clipspace.plot import COLORS, intervals

    views = {"image": "images", "decode": "decodes"}
    names = [f"{row['card']}, {views[row['seen']]} ({row['images']})" for row in result.table]
    for (kind, (color, marker)), offset in zip(_KINDS.items(), (-0.18, 0.18), strict=True):
        column = f"read as the {kind}"
        ends = {end: result.column(f"{kind} {end}") for end in ("low", "high")}
        style = {"color": COLORS[color], "marker": marker, "offset": offset, "height": 0.34, "label": column}
        intervals(names, result.column(column), **ends, chance=result.column("chance"), **style, ax=ax)
    for border in range(1, len(names)):
        ax.axhline(border - 0.5, color="0.9", linewidth=0.6, zorder=0)
    ax.set(xlim=(-0.03, 1.03), xlabel="mean share of images (grey: chance)")
    ax.legend(loc="lower center", ncols=2, bbox_to_anchor=(0.5, 1.0), borderaxespad=0.2)


def caption(result: Result) -> str:
    """What the figure of `draw` shows."""
    first, last = result.table.rows[0], result.table.rows[-1]
    return f"""A printed word against what the image shows. Above, the first images bare, with a blank card (the control) and
        with the word in quotes, each beside a decode of its embedding; below each, what zero-shot CLIP reads: blue where it is
        the thing, orange where it is the word. Below, the mean over {first["images"]} images, and over decodes of
        {last["images"]}, of the share that is read as the thing or as the word (numbers in brackets). Lines are 95 % bootstrap
        intervals over images; grey is chance, one of {round(1 / first["chance"])} answers. Readings of decodes are circular:
        the same CLIP steers the decoder."""
