"""What a value says of itself in one line, however much it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import fields
from typing import Any

from clipspace.errors import shortened

_MOST = 120
"""Characters that one field may take."""


def brief(self: Any) -> str:
    """``Name(field=…)`` of a dataclass or named tuple: arrays by type and shape, long sequences by their length.

    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Found:
    ...     names: list
    ...     rows: int
    ...     __repr__ = brief
    >>> Found(["a"] * 1000, 1000)
    Found(names=1,000 values, rows=1000)
    """
    names = getattr(self, "_fields", None) or [field.name for field in fields(self)]
    return f"{type(self).__name__}({', '.join(f'{name}={_said(getattr(self, name))}' for name in names)})"


def _said(value: Any) -> str:
    if hasattr(value, "shape") and hasattr(value, "dtype") and len(value.shape):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    if isinstance(value, Mapping):
        return f"{{{shortened(value, 5)[1:-1]}}}"
    several = isinstance(value, (Sequence, Set)) and not isinstance(value, str)
    said = f"{len(value):,} values" if several and len(value) > 3 else " ".join(repr(value).split())
    if several and (" at 0x" in said or len(said) > _MOST):
        return f"{len(value):,} values"
    if " at 0x" in said:
        said = getattr(value, "__qualname__", type(value).__name__)
    return said if len(said) <= _MOST else f"{said[: _MOST - 1]}…"
