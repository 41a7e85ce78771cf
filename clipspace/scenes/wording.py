"""Amounts in words: where a thing or a card is, how it leans, how wide it is, as a caption may say."""

from __future__ import annotations

AMOUNTS: dict[str, tuple[tuple[float, ...], tuple[str, ...]]] = {
    "x": ((1 / 3, 2 / 3), ("on the left", "in the middle", "on the right")),
    "y": ((1 / 3, 2 / 3), ("high", "midway", "low")),
    "rotation": ((-15.0, 15.0), ("leaning left", "upright", "leaning right")),
    "card_x": ((0.44, 0.56), ("on the left", "in the middle", "on the right")),
    "card_y": ((0.38, 0.62), ("high", "midway", "low")),
    "card_width": ((0.61,), ("narrow", "wide")),
}
"""For each factor the bounds between its words, ascending, and the words."""


def amount_in_words(factor: str, amount: float) -> str:
    """The words for an amount of ``factor``, a key of `AMOUNTS`.

    >>> amount_in_words("y", 0.2)
    'high'
    """
    bounds, words = AMOUNTS[factor]
    return words[sum(amount >= bound for bound in bounds)]
