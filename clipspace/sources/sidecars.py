"""Files beside an image: its caption in a ``.txt`` file, its columns in a ``.json`` file or a line of metadata."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any

from clipspace.sources.rows import RowError, as_caption

FAULT = "sidecar_error"
"""Name of the column of errors in a row's caption or columns; its image is encoded all the same."""
SUFFIXES = (".txt", ".json", ".cls")


def stems(name: str) -> Iterator[str]:
    """What a sidecar of the image ``name`` may be called without its suffix: the longest first, down to the first dot.

    >>> list(stems("0.seg/a.b.jpg"))
    ['0.seg/a.b.jpg', '0.seg/a.b', '0.seg/a']
    """
    yield name
    while "." in name.rpartition("/")[2]:
        name = name.rpartition(".")[0]
        yield name


def read_sidecars(
    text: bytes | RowError | None, columns: bytes | RowError | None, line: bytes | None = None
) -> tuple[str | None, dict[str, Any]]:
    """Caption and columns from the content of both files, and of a ``line`` of JSON that comes after them.

    The caption of the text file counts before that of a JSON file. What is broken in one costs nothing of the others:
    it is described in the column `FAULT`.
    """
    faults: list[str] = []
    values: dict[str, Any] = {}
    caption = None
    for content in (line, columns):
        try:
            values |= {} if content is None else _columns_of(_whole(content))
        except (ValueError, TypeError, RecursionError) as error:
            faults.append(repr(error)[:200])
    try:
        caption = as_caption(values.pop("caption", None))
    except ValueError as error:
        faults.append(str(error))
    try:
        caption = caption if text is None else as_text(_whole(text))
    except ValueError as error:
        faults.append(repr(error)[:200])
    return caption, with_faults(values, faults)


def with_faults(columns: dict[str, Any], faults: list[str]) -> dict[str, Any]:
    """``columns``, and `FAULT` where there are faults."""
    return {**columns, FAULT: "; ".join(faults)} if faults else columns


def as_text(content: bytes) -> str:
    """A text file without the space around it: UTF-8, or UTF-16 where it begins with a byte order mark."""
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if wide else "utf-8-sig").strip()


def _whole(content: bytes | RowError) -> bytes:
    if isinstance(content, RowError):
        raise content
    return content


def _columns_of(content: bytes) -> dict[str, Any]:
    columns = _flat(json.loads(content, object_pairs_hook=once))
    json.dumps(columns, ensure_ascii=False).encode()  # half of a surrogate pair is valid JSON, but no text
    return columns


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of some keys and values. Raises `ValueError` for a key that is there twice."""
    value_by_key: dict[str, Any] = {}
    for key, value in pairs:
        if key in value_by_key:
            raise ValueError(f"expected every key once, got {key!r} twice")
        value_by_key[key] = value
    return value_by_key


def _flat(values: Any, prefix: str = "") -> dict[str, Any]:
    """Nested objects as dotted keys; lists as JSON text, except a caption's, which is judged as it is."""
    if not isinstance(values, dict):
        raise TypeError(f"expected a JSON object, got {type(values).__name__}")
    pairs: list[tuple[str, Any]] = []
    for key, value in values.items():
        if isinstance(value, dict):
            pairs += _flat(value, f"{prefix}{key}.").items()
        else:
            as_is = prefix + key == "caption" or not isinstance(value, list)
            pairs.append((prefix + key, value if as_is else json.dumps(value)))
    return once(pairs)
