"""Values as strict JSON holds them (RFC 8259), so that any reader loads what was written."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Set
from typing import Any

import numpy as np


def to_plain(value: Any) -> Any:
    """``value`` of None, booleans, numbers, texts, lists and mappings alone, of any depth.

    NumPy's numbers and arrays become Python's; numbers that JSON has not become the texts "NaN", "Infinity" and
    "-Infinity", which `to_number` and most languages read. What has a ``to_dict`` becomes that, a function or an object
    that says nothing of itself its name, and anything else its text.

    >>> to_plain({"scores": np.array([0.5, np.nan]), "shape": (2, 3)})
    {'scores': [0.5, 'NaN'], 'shape': [2, 3]}
    """
    if hasattr(value, "to_dict"):
        value = value.to_dict()
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): to_plain(of) for key, of in value.items()}
    if isinstance(value, (list, tuple, range, Set)):
        return [to_plain(one) for one in (sorted(value, key=str) if isinstance(value, Set) else value)]
    return value if value is None or isinstance(value, (bool, int)) else _scalar(value)


def to_json(value: Any) -> str:
    """`to_plain` as indented JSON text."""
    return json.dumps(to_plain(value), indent=2, ensure_ascii=False, allow_nan=False)


def to_number(value: Any) -> Any:
    """A number back from "NaN", "Infinity" or "-Infinity"; any other number, or None, as it is."""
    return float(value) if isinstance(value, str) else value


def _scalar(value: Any) -> float | str:
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if hasattr(value, "__qualname__"):
        return value.__qualname__
    says_nothing = type(value).__str__ is object.__str__ and type(value).__repr__ is object.__repr__
    return type(value).__qualname__ if says_nothing else str(value)
