"""Edits of images, each from a text that describes an image to a text that describes the result."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from clipspace.analyses.examples import EXAMPLES
from clipspace.errors import InputError
from clipspace.points.embeddings import Embeddings
from clipspace.probes.classification import zero_shot
from clipspace.probes.mini_world import FACTORS, describe, sentence, truth

if TYPE_CHECKING:
    from clipspace.space import Space

_TURNS = ("color", "ground")
"""Factors that suggested edits change, in turn: of 42 scenes, readers without CLIP found the new colour in all, and a new thing in 9."""
EXAMPLE_EDITS = ({"color": "purple"}, {"color": "green"}, {"ground": "grey"}, {"ground": "white"})
"""New values of each of `EXAMPLES`. They are chosen: 48 edits of colour or background are possible for these four scenes. At
theta = 0.35 readers without CLIP find the new value in all 48, and both other values unchanged in 33; these are four of the 33."""

_ARTICLES = ("a", "an")


class Edit(NamedTuple):
    """A text that describes an image (None for no baseline), and one that describes the result."""

    before: str | None
    after: str

    @property
    def label(self) -> str:
        """The words that differ, less an article before both.

        >>> Edit("a red apple on white", "an orange apple on white").label
        'red → orange'
        """
        if self.before is None:
            return f"→ {self.after}"
        old, new = self.before.split(), self.after.split()
        head = _shared(old, new)
        tail = _shared(old[head:][::-1], new[head:][::-1])
        differing = [words[head : len(words) - tail] for words in (old, new)]
        first = int(all(len(words) > 1 and words[0] in _ARTICLES for words in differing))
        return " → ".join(" ".join(words[first:]) or "∅" for words in differing)


def edits(space: Space, points: Embeddings, before: str = "", after: str = "") -> list[Edit]:
    """One edit for each point: from ``before`` to ``after``, or, where neither is given, one that its image suggests.

    Then ``before`` is what zero-shot reads, colour, thing and ground, and ``after`` says another colour or ground, in
    turn. Those of the bundled scenes are `bundled_edits`. ``after`` alone is an edit without a baseline. Raises
    `InputError` for ``before`` alone.
    """
    if after:
        return [Edit(before or None, after)] * len(points)
    if before:
        raise InputError(f"edits: expected after= with before={before!r}, got none; say what it should become")
    return [_suggested(description, _TURNS[i % len(_TURNS)]) for i, description in enumerate(describe(space, points))]


def bundled_edits() -> list[Edit]:
    """An edit of each of the bundled scenes, from what is true of it to `EXAMPLE_EDITS`."""
    truths = [truth(scene) for scene in EXAMPLES]
    return [Edit(sentence(old), sentence(old | new)) for old, new in zip(truths, EXAMPLE_EDITS, strict=True)]


def after_probability(space: Space, points: Embeddings, edit: Edit) -> list[float | None]:
    """Zero-shot probability, for each point, of the text after an edit against that before it; None without one."""
    if edit.before is None:
        return [None] * len(points)
    return (
        zero_shot(space, points, [edit.before, edit.after], templates=("{}",), probability="softmax")
        .probabilities[:, 1]
        .tolist()
    )


def _suggested(description: dict[str, str], factor: str) -> Edit:
    values = FACTORS[factor]
    new_value = values[(values.index(description[factor]) + 3) % len(values)]
    return Edit(sentence(description), sentence(description | {factor: new_value}))


def _shared(a: list[str], b: list[str]) -> int:
    """How many words two texts begin with in common."""
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False))))
