"""Numbers and names as figures and their captions write them."""

from __future__ import annotations

MINUS = "−"
NONE = "–"
"""What stands where there is no number."""


def number(value: float | None, digits: int = 2) -> str:
    """A number of that many decimals, with a true minus sign, and none before zero; a dash for None.

    >>> [number(value) for value in (0.344, -0.344, -0.001, None)]
    ['0.34', '−0.34', '0.00', '–']
    """
    if value is None:
        return NONE
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", MINUS)


def estimate(value: float | None, low: float | None, high: float | None, *, digits: int = 2) -> str:
    """A number and its interval, where it has one.

    >>> estimate(0.891, 0.88, 0.9), estimate(0.5, None, None)
    ('0.89 [0.88, 0.90]', '0.50')
    """
    text = number(value, digits)
    return text if low is None or high is None else f"{text} [{number(low, digits)}, {number(high, digits)}]"


_SPELT = {"color": "colour", "ground": "background"}


def spelt(name: str) -> str:
    """The name of a factor in words.

    >>> [spelt(name) for name in ("color", "card_x", "size")]
    ['colour', 'card x', 'size']
    """
    return _SPELT.get(name, name.replace("_", " "))
