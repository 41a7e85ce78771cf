"""The interface of all sources of images: parts, rows of a part, and the sample that a row reads on request."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, NoReturn

from clipspace.errors import InputError
from clipspace.reprs import brief

MAX_BYTES = 2**28
"""Largest size in bytes (256 MiB) of an image file that is read; a larger file is recorded as rejected."""


class RowError(InputError):
    """One row cannot be read. ``reason`` says in two words why; the message says more."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Sample:
    """The content of an image file, its caption where there is one, and other columns (plain values)."""

    data: bytes
    caption: str | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)

    __repr__ = brief


@dataclass(frozen=True)
class Row:
    """A named image that is read when asked: ``read()`` gives its `Sample` or raises `RowError`.

    ``place`` tells rows of one name apart: the file that the row is in and its number there (``a.parquet:3``). It is
    None where the name alone does: a path of a folder or a list.
    """

    name: str
    read: Callable[[], Sample]
    place: str | None = None


@dataclass(frozen=True)
class Ignored:
    """Files of a part that are no rows and belong to none (``._a.jpg`` of macOS, a stray caption): only counted."""

    files: int


@dataclass(frozen=True)
class Part:
    """A run of rows that becomes one shard of a store. ``rows`` is None where only reading tells how many."""

    name: str
    rows: int | None
    open: Callable[[], Iterator[Row | Ignored]]


@dataclass(frozen=True)
class Source:
    """All parts of an input, in an order that does not change, and how many files were of no use (no images)."""

    parts: tuple[Part, ...]
    ignored: int = 0

    __repr__ = brief

    @property
    def rows(self) -> int | None:
        counts = [part.rows for part in self.parts]
        return None if None in counts else sum(counts)

    def first(self, n: int) -> Source:
        """The first ``n`` rows. Raises `InputError` where rows are not counted (tar files)."""
        if n < 1 or self.rows is None:
            raise InputError(
                f"limit: expected at least 1, of an input whose rows are counted, got {n} of "
                f"{'tar files; give fewer files' if self.rows is None else f'{self.rows} rows'}"
            )
        parts: list[Part] = []
        n_left = n
        for part in self.parts:
            if n_left >= part.rows:
                parts.append(part)
            elif n_left > 0:
                parts.append(Part(f"{part.name}[:{n_left}]", n_left, partial(_first, part.open, n_left)))
            n_left -= min(n_left, part.rows)
        return Source(tuple(parts), self.ignored)

    @property
    def digest(self) -> str:
        """A short SHA-256 of what will be read: equal for equal lists of rows."""
        listed = json.dumps([[part.name, part.rows] for part in self.parts])
        return digest_of([listed])


def _first(rows: Callable[[], Iterator[Row | Ignored]], n: int) -> Iterator[Row | Ignored]:
    return islice(rows(), n)


def digest_of(names: list[str]) -> str:
    """A short SHA-256 of a list of names."""
    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()[:16]


def readable(name: str) -> str:
    """``name`` as valid Unicode: bytes of a file name that are not UTF-8 become ``\\xNN``."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def as_caption(value: Any) -> str | None:
    """The text of a caption, without a byte order mark; None of None. Raises `ValueError` for what is no text."""
    if value is None or isinstance(value, str):
        return value and value.removeprefix("\ufeff")
    raise ValueError(f"expected a text as caption, got {str(value)[:80]} ({type(value).__name__})")


def fail(reason: str, message: str) -> NoReturn:
    """The ``read`` of a row that is known to be bad; bind the arguments with `functools.partial`."""
    raise RowError(reason, message)
