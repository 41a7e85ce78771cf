"""A list of paths: a text file with one path or URL a line, or a Python sequence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from clipspace.errors import InputError
from clipspace.sources.files import beside, open_text, read_file
from clipspace.sources.rows import Part, Row, Sample, Source, digest_of, readable


def list_source(paths: str | Sequence[str], *, rows_per_part: int) -> Source:
    """The images at ``paths``, in the order given. Paths in a file are seen from the folder of that file."""
    listed = _lines(paths) if isinstance(paths, str) else [(str(path), str(path)) for path in paths]
    if not listed:
        raise InputError(f"encode: expected a list of image paths, got none in {paths!r}")
    chunks = [listed[start : start + rows_per_part] for start in range(0, len(listed), rows_per_part)]
    return Source(
        tuple(
            Part(f"{i}:{digest_of([name for name, _ in chunk])}", len(chunk), partial(_rows, chunk))
            for i, chunk in enumerate(chunks)
        )
    )


def _lines(path: str) -> list[tuple[str, str]]:
    with open_text(path) as file:
        names = [line.rstrip("\r\n") for line in file]
    return [(name, beside(path, name)) for name in names if name.strip()]


def _rows(listed: list[tuple[str, str]]) -> Iterator[Row]:
    for name, path in listed:
        yield Row(readable(name), partial(_read, path))


def _read(path: str) -> Sample:
    return Sample(read_file(path))
