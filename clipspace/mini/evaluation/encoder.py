"""What the encoder alone reaches: retrieval, zero-shot accuracy, and what a printed word does to it."""

from __future__ import annotations

import numpy as np

from clipspace.mini.evaluation.reading import SEED, Row, plain_things, read_by_clip
from clipspace.probes.templates import label_weights
from clipspace.scenes import THINGS, caption, render, sample_scenes
from clipspace.scenes.captions import article
from clipspace.scenes.factors import consistent
from clipspace.space import Space


def retrieval(space: Space, n: int = 1000) -> list[Row]:
    """Recall@1 both ways among held-out pairs, beside a reader that knows every fact of every scene.

    Of a caption it guesses evenly among the scenes it is true of; of a scene it takes the caption that says
    most of what is true. It does not know how often what is said, so it is a yardstick and not a ceiling.
    """
    scenes = sample_scenes(n, seed=SEED)
    captions = [caption(scene, np.random.default_rng([SEED, i, 1])) for i, scene in enumerate(scenes)]
    similarity = (
        space.encode_texts([c.text for c in captions]).unit @ space.encode_images([render(s) for s in scenes]).unit.T
    )
    truth = np.arange(n)
    matches = np.array([[consistent(scene, c.claims) for scene in scenes] for c in captions])
    specificity = np.array([len(c.claims) for c in captions])[:, None] * matches
    first = specificity.max(axis=0)
    ties = (specificity == first).sum(axis=0)
    hit = specificity[truth, truth] == first
    to_image, to_text = (similarity.argmax(1) == truth).mean(), (similarity.argmax(0) == truth).mean()
    return [
        (
            "recall@1, text to image, of 1,000",
            f"{to_image:.3f} (fact reader {(1 / matches.sum(1)).mean():.3f})",
            "≥ 0.70",
        ),
        (
            "recall@1, image to text, of 1,000",
            f"{to_text:.3f} (fact reader {(hit / ties).mean():.3f})",
            "≥ 0.70",
        ),
    ]


def zero_shot_accuracy(space: Space, n: int = 1000) -> list[Row]:
    """Colour and thing together, 144 labels, on single plain things."""
    scenes = plain_things(n, SEED + 1)
    color, thing = read_by_clip(space, space.encode_images([render(s) for s in scenes]))
    right = [(c, k) == (s.things[0].color, s.things[0].kind) for c, k, s in zip(color, thing, scenes, strict=True)]
    return [("zero-shot, colour × thing (144), single plain things", f"{np.mean(right):.3f}", "≥ 0.97")]


def typographic(space: Space, n: int = 500) -> list[Row]:
    """A card with another thing's name against a blank card of the same size and place."""
    labels = [*THINGS, "ipod"]
    weights = label_weights(space, [article(label) for label in labels])
    scenes = sample_scenes(n, seed=SEED + 2, layout="one+card")
    rng = np.random.default_rng(SEED + 2)
    words = [str(rng.choice([w for w in labels if w != s.things[0].kind])) for s in scenes]

    def best(cards: list[str]) -> list[str]:
        images = [render(s.with_card(word)) for s, word in zip(scenes, cards, strict=True)]
        return [labels[i] for i in (space.encode_images(images).unit @ weights.T).argmax(axis=1)]

    attacked, blank = best(words), best([""] * n)
    success = np.mean([a == w for a, w in zip(attacked, words, strict=True)])
    control = np.mean([b == w for b, w in zip(blank, words, strict=True)])
    intact = np.mean([b == s.things[0].kind for b, s in zip(blank, scenes, strict=True)])
    return [
        ("typographic attack: card names another thing", f"{success:.3f}", "≥ 0.50"),
        (
            "same card left blank: read as that other thing",
            f"{control:.3f} (read as the thing itself {intact:.3f})",
            "≤ 0.15",
        ),
    ]
