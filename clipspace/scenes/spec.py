"""Specifications of scenes: the values of every factor, and how often captions mention each.

The mini world is small on purpose. Every factor of every image is known, and `MENTIONS` states
which of them captions speak of. That table is the truth that probes are calibrated on: what captions
always say, a CLIP must keep; what they never say, it is free to ignore.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from clipspace.scenes.things import THINGS

COLORS: dict[str, tuple[int, int, int]] = {
    "red": (212, 38, 42),
    "orange": (244, 128, 28),
    "yellow": (250, 212, 46),
    "green": (46, 158, 68),
    "blue": (44, 98, 222),
    "purple": (128, 66, 178),
    "pink": (246, 146, 190),
    "brown": (128, 78, 44),
}
GROUNDS: dict[str, tuple[int, int, int]] = {
    "white": (246, 246, 242),
    "grey": (148, 150, 154),
    "black": (24, 24, 28),
    "beige": (224, 204, 164),
    "navy": (26, 38, 92),
    "mint": (184, 230, 206),
}
TEXTURES = ("plain", "striped", "dotted")
SIZES: dict[str, float] = {"small": 22.0, "large": 36.0}
"""Diameter of a thing in pixels of a 64-pixel image."""
WORDS = (*THINGS, "ipod", "hello", "sale")
"""Words a card may carry; the empty word is a blank card."""
RELATIONS = ("above", "below", "left of", "right of")
MAX_TILT = 45.0

MENTIONS: dict[str, float] = {
    "thing": 1.0,
    "color": 0.8,
    "count": 1.0,
    "relation": 1.0,
    "word": 0.7,
    "ground": 0.8,
    "texture": 0.6,
    "size": 0.5,
    "x": 0.0,
    "y": 0.0,
    "rotation": 0.0,
    "phase": 0.0,
    "card_x": 0.0,
    "card_y": 0.0,
    "card_width": 0.0,
}
"""Probability that a caption speaks of a factor: 1 is *always*, 0 is *never*, the rest *sometimes*.

*word* lists how often a printed word leaves any trace in the caption; `captions.WORD_POLICY` says which.
"""

_ORDER = tuple(MENTIONS)
POLICIES: dict[str, dict[str, float]] = {
    "things": MENTIONS,
    "places": dict(
        zip(_ORDER, (0.0, 0.0, 0.8, 0.5, 0.0, 1.0, 0.0, 1.0, 1.0, 0.8, 0.7, 0.0, 0.6, 0.0, 0.0), strict=True)
    ),
    "looks": dict(
        zip(_ORDER, (0.6, 1.0, 0.0, 0.0, 0.0, 0.0, 0.8, 0.0, 0.5, 0.8, 1.0, 0.0, 0.0, 0.7, 1.0), strict=True)
    ),
}
"""Three tables of mentions that hold the same probabilities, given to other factors (the phase to none).

The mini space is trained on *things*. CLIPs of the other two see the same images under captions of other things:
what they keep of a factor that their captions never mention is not in their captions.
"""


@dataclass(frozen=True)
class Thing:
    """One drawn thing. Positions are in [0, 1] of the image, rotation in degrees, phase in [0, 1)."""

    kind: str
    color: str
    texture: str = "plain"
    size: str = "large"
    x: float = 0.5
    y: float = 0.5
    rotation: float = 0.0
    phase: float = 0.0


@dataclass(frozen=True)
class Card:
    """A paper card with a printed word (``""`` leaves it blank); ``width`` is a fraction of the image."""

    word: str
    x: float = 0.5
    y: float = 0.75
    width: float = 0.6


@dataclass(frozen=True)
class Scene:
    """An image before it is drawn: a ground, up to two things, perhaps a card."""

    ground: str = "white"
    things: tuple[Thing, ...] = field(default_factory=tuple)
    card: Card | None = None

    @property
    def relation(self) -> str | None:
        """Where the first thing is with respect to the second (one of `RELATIONS`), None without a second."""
        if len(self.things) < 2:
            return None
        a, b = self.things
        if abs(a.y - b.y) >= abs(a.x - b.x):
            return "above" if a.y < b.y else "below"
        return "left of" if a.x < b.x else "right of"

    def with_card(self, word: str, **where: float) -> Scene:
        """This scene with its card replaced by one that reads ``word`` (``""`` for a blank card)."""
        return replace(self, card=replace(self.card or Card(""), word=word, **where))

    def without_card(self) -> Scene:
        return replace(self, card=None)
