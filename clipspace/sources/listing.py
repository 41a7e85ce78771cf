"""A list of paths: a text file with one path or URL a line, or a Python sequence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from clipspace.errors import InputError, shortened
from clipspace.sources.files import Found, beside, open_text, read_file
from clipspace.sources.rows import Part, Row, Sample, Source, digest_of, readable


def list_source(paths: Sequence[str | Found], *, rows_per_part: int) -> Source:
    """The images at ``paths``, in the order given; files among them are lists of paths, seen from their own folder."""
    listed = [line for path in paths for line in (_lines(path) if isinstance(path, Found) else [(path, path)])]
    if not listed:
        raise InputError(f"encode: expected a list of image paths, got none in {shortened(paths)}")
    chunks = [listed[start : start + rows_per_part] for start in range(0, len(listed), rows_per_part)]
    return Source(
        tuple(
            Part(f"{i}:{digest_of([name for name, _ in chunk])}", len(chunk), partial(_rows, chunk))
            for i, chunk in enumerate(chunks)
        )
    )


def _lines(file: Found) -> list[tuple[str, str]]:
    """(name, path) of each line; the name begins where that of the file does, so that lists side by side do not clash."""
    with open_text(file.path) as lines:
        names = [line.rstrip("\r\n") for line in lines]
    return [(beside(file.name, name), beside(file.path, name)) for name in names if name.strip()]


def _rows(listed: list[tuple[str, str]]) -> Iterator[Row]:
    for name, path in listed:
        yield Row(readable(name), partial(_read, path))


def _read(path: str) -> Sample:
    return Sample(read_file(path))
