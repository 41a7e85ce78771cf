"""Judging decodes by readers that know no CLIP, where they can read: on rendered scenes.

The CLIP that an image was drawn from is no judge of it: the decoder was steered by that CLIP, so its own score is circular.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image

from clipspace.analyses.edits import Edit
from clipspace.probes.mini_world import FACTORS, facts_in
from clipspace.scenes.reading import is_scene, read_scene

WORDS = {"color": "colour", "thing": "thing", "ground": "ground"}
CHANCE = {factor: 1 / len(values) for factor, values in FACTORS.items()}
"""Probability, by factor, that a value named at random is right."""


class Verdict(NamedTuple):
    """What readers say of an edited image.

    Parameters
    ----------
    read : colour, thing and ground, as ``{factor: value}``
    arrived : whether all new values are read
    kept : how many of the other factors are read as they were
    others : how many there are
    chance : of ``arrived``, and of one ``kept``, if values were named at random
    """

    read: dict[str, str | None]
    arrived: bool
    kept: int
    others: int
    chance: tuple[float, float]

    @property
    def confirmed(self) -> bool:
        """Whether the edit arrived and all else was kept."""
        return self.arrived and self.kept == self.others

    @property
    def words(self) -> str:
        """What is read, in words.

        >>> Verdict({"color": "red", "thing": "cat", "ground": "mint"}, True, 2, 2, (0.1, 0.1)).words
        'red cat on mint'
        """
        color, thing, ground = (self.read[factor] or "?" for factor in FACTORS)
        return f"{color} {thing} on {ground}"


def readable(images: Sequence[Image.Image]) -> bool:
    """Whether readers can judge what is drawn of these images: all are rendered scenes."""
    return all(is_scene(image) for image in images)


def verdict(source: Image.Image, edited: Image.Image, edit: Edit) -> Verdict | None:
    """What readers see in ``edited``, an edit of the scene ``source``; None where the edit has no value that they know."""
    old = facts_in(edit.before or "")
    new = {factor: value for factor, value in facts_in(edit.after).items() if old.get(factor) != value}
    if not new:
        return None
    was, read = read_scene(source), read_scene(edited)
    other_factors = [factor for factor in FACTORS if factor not in new]
    by_chance = 1.0
    for factor in new:
        by_chance *= CHANCE[factor]
    chance = (by_chance, sum(CHANCE[factor] for factor in other_factors) / len(other_factors) if other_factors else 0.0)
    n_kept = sum(read[factor] == was[factor] for factor in other_factors)
    return Verdict(read, all(read[f] == value for f, value in new.items()), n_kept, len(other_factors), chance)


def factors_kept(sources: Sequence[Image.Image], decodes: Sequence[Sequence[Image.Image]]) -> dict[str, list[float]]:
    """Of each factor, for each source, the share of its ``decodes`` off which readers read the same value."""
    shares: dict[str, list[float]] = {factor: [] for factor in FACTORS}
    for source, images in zip(sources, decodes, strict=True):
        true, readings = read_scene(source), [read_scene(image) for image in images]
        for factor, values in shares.items():
            values.append(sum(read[factor] == true[factor] for read in readings) / len(readings))
    return shares


def factors_sentence(shares: dict[str, list[float]], n: int, of: str) -> str:
    """A sentence of counts: how many of ``n`` images show each factor of their source, beside chance."""
    phrases = (
        f"the {WORDS[factor]} in {round(n * sum(values) / len(values))} of {n} (chance {CHANCE[factor]:.0%})"
        for factor, values in shares.items()
    )
    return f"Readers without CLIP find the same values as in the source: {', '.join(phrases)} {of}."
