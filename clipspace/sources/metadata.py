"""``metadata.jsonl`` and ``metadata.csv`` of a folder of images, as Hugging Face's imagefolder reads them."""

from __future__ import annotations

import csv
import io
import json
import posixpath
from collections.abc import Iterator, Sequence
from typing import Any

from clipspace.errors import InputError
from clipspace.sources.files import Found, read_file
from clipspace.sources.rows import RowError
from clipspace.sources.sidecars import as_text, once

_NAMES = ("metadata.jsonl", "metadata.csv")
_MAX_BYTES = 2**32


def read_metadata(files: Sequence[Found]) -> tuple[dict[str, bytes], list[Found], set[str]]:
    """Lines of metadata by the name of their image, as JSON; lines of no use; and the names of the files that were read.

    A line has a ``file_name``, seen from the folder of its file, and columns; ``text`` is a caption as ``caption`` is.
    A line that cannot be read, or names no file or one that another line named, is found with its problem. A file
    without any ``file_name`` is something else, and left alone.
    """
    names = {file.name for file in files}
    lines: dict[str, bytes] = {}
    problems: list[Found] = []
    read: set[str] = set()
    for file in files:
        if posixpath.basename(file.name) not in _NAMES or file.problem:
            continue
        wrong: list[Found] = []
        meant = False
        try:
            for number, line in _lines(file):
                meant |= isinstance(line, dict) or file.name.endswith(".csv")
                problem = _take(file, line, names, lines)
                if problem:
                    wrong.append(Found(file.path, f"{file.name}:{number}", problem))
        except RowError as error:
            meant, wrong = True, [Found(file.path, file.name, str(error))]
        if meant:
            read.add(file.name)
            problems += wrong
    return lines, problems, read


def _take(file: Found, line: dict[str, Any] | str, known: set[str], lines: dict[str, bytes]) -> str | None:
    """Store a line under the name of its image; returns the problem of a line that cannot be used."""
    if isinstance(line, str):
        return line
    folder, file_name = posixpath.dirname(file.name), line.pop("file_name")
    names = [posixpath.normpath(posixpath.join(folder, path)) for path in (file_name, file_name.replace("\\", "/"))]
    name = next((name for name in names if name in known), names[0])  # the second as Windows writes it
    if name not in known:
        return f"expected a line of a file in the folder, got {name!r}, which is not there"
    if name in lines:
        return f"expected one line a file, got a second one of {name!r}"
    if "caption" not in line and "text" in line:
        line["caption"] = line.pop("text")
    lines[name] = json.dumps(line).encode()
    return None


def _lines(file: Found) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """(number, line) from 1 on: a line as a dict with ``file_name``, or what is wrong with it."""
    content = read_file(file.path, max_bytes=_MAX_BYTES)
    if file.name.endswith(".csv"):
        yield from _csv_lines(file, content)
        return
    for number, line in enumerate(io.BytesIO(content), 1):
        if line.strip():
            yield number, _checked(line)


def _checked(line: bytes) -> dict[str, Any] | str:
    try:
        value = json.loads(as_text(line), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        return f"expected a line of JSON, got one that cannot be read ({error!r:.200})"
    if not isinstance(value, dict) or not isinstance(value.get("file_name"), str):
        return f"expected a line with a file_name, got {str(value)[:80]}"
    return value


def _csv_lines(file: Found, content: bytes) -> Iterator[tuple[int, dict[str, Any] | str]]:
    try:
        text = as_text(content)
        first = text.partition("\n")[0]
        separator = ";" if first.count(";") > first.count(",") else ","
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        head = next(rows, [])
    except (ValueError, csv.Error) as error:
        raise RowError(
            "unreadable", f"expected a table in UTF-8, got one that cannot be read ({error!r:.200})"
        ) from None
    if twice := sorted({name for name in head if head.count(name) > 1}):
        raise InputError(
            f"encode: expected columns of different names in {file.name!r}, got {twice} twice; rename them"
        )
    if "file_name" not in head:
        return
    while True:
        before = rows.line_num
        try:
            row = next(rows, None)
        except csv.Error as error:  # the reader goes on with the next line
            yield rows.line_num, f"lines {before + 1} to {rows.line_num} cannot be read as a row of the table ({error})"
            continue
        if row is None:
            return
        line = dict(zip(head, (value or None for value in row), strict=False))
        is_complete = len(row) == len(head) and line["file_name"]
        yield (
            rows.line_num,
            line if is_complete else f"expected {len(head)} values and a file_name, got {len(row)} values",
        )
