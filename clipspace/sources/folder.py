"""A folder of images, nested to any depth, with captions and columns beside them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

from clipspace.errors import InputError
from clipspace.sources.files import Found, open_file, read_file, size_of
from clipspace.sources.formats import HEAD_BYTES, is_hidden, looks_like_image
from clipspace.sources.images import SUFFIXES
from clipspace.sources.metadata import read_metadata
from clipspace.sources.rows import Part, Row, RowError, Sample, Source, digest_of, fail, readable
from clipspace.sources.sidecars import read_sidecars

_NO_IMAGES = (".txt", ".json", ".jsonl", ".csv", ".parquet", ".tar", ".npy", ".md", ".html", ".py")
"""Suffixes of files that are taken for no images without reading them."""


class _Beside(NamedTuple):
    """Where the caption and the columns of an image are, and its line of metadata."""

    text: str | None
    columns: str | None
    line: bytes | None


def folder_source(folder: str, files: Sequence[Found], *, rows_per_part: int) -> Source:
    """Every image among ``files``, which were found below ``folder``: by their suffix, or by their first bytes.

    ``a/b.jpg`` takes its caption from ``a/b.txt`` and its columns from ``a/b.json`` (also its caption, when
    there is no text file), whatever the case of these suffixes, or from a ``metadata.jsonl`` or ``metadata.csv`` of
    Hugging Face. Hidden files (`formats.is_hidden`) are ignored. Raises `InputError` when there is no image.
    """
    visible_files = [file for file in files if not is_hidden(file.name)]
    lines, broken, used_names = read_metadata(visible_files)
    images = [file for file in visible_files if file.problem or _is_image(file)]
    if not any(file.problem is None for file in images):
        raise InputError(
            f"encode: expected images ({', '.join(sorted(SUFFIXES))}) below {folder!r}, got none among "
            f"{len(files)} files; check the folder"
        )
    sidecars = _sidecars(visible_files)
    rows: list[tuple[Found, _Beside]] = [(line, _Beside(None, None, None)) for line in broken]
    for image in images:
        text, columns = _taken(image.name, sidecars)
        used_names |= {sidecar.name for sidecar in (text, columns) if sidecar}
        rows.append((image, _Beside(text and text.path, columns and columns.path, lines.get(image.name))))
    rows.sort(key=lambda row: row[0].name)
    parts = [_part(rows[start : start + rows_per_part], start) for start in range(0, len(rows), rows_per_part)]
    return Source(tuple(parts), ignored=len(files) - len(images) - len(used_names))


def _is_image(file: Found) -> bool:
    suffix = _suffix(file.name)
    if suffix in SUFFIXES or suffix in _NO_IMAGES:
        return suffix in SUFFIXES
    try:
        with open_file(file.path) as opened:
            return looks_like_image(opened.read(HEAD_BYTES))
    except (RowError, OSError):
        return False


def _sidecars(files: Sequence[Found]) -> dict[str, Found]:
    """Captions and columns by their names with the suffix in lower case; of two that differ in case, the lower."""
    sidecar_files = sorted(
        (file for file in files if _suffix(file.name) in (".txt", ".json")), key=lambda file: file.name
    )
    return {file.name[: -len(_suffix(file.name))] + _suffix(file.name): file for file in sidecar_files}


def _taken(name: str, sidecars: dict[str, Found]) -> tuple[Found | None, Found | None]:
    """The caption and the columns of the image ``name``: ``a.b.txt``, or ``a.b.jpg.txt``, of ``a.b.jpg``."""
    image_stems = (posixpath.splitext(name)[0], name) if _suffix(name) else (name,)
    text = next((sidecars[stem + ".txt"] for stem in image_stems if stem + ".txt" in sidecars), None)
    columns = next((sidecars[stem + ".json"] for stem in image_stems if stem + ".json" in sidecars), None)
    return text, columns


def _part(rows: list[tuple[Found, _Beside]], start: int) -> Part:
    name = f"{start}:{digest_of([f'{file.name}:{size_of(file.path)}' for file, _ in rows])}"
    return Part(name, len(rows), partial(_rows, rows))


def _rows(rows: list[tuple[Found, _Beside]]) -> Iterator[Row]:
    for file, beside in rows:
        read = partial(fail, "unreadable", file.problem) if file.problem else partial(_read, file.path, beside)
        yield Row(readable(file.name), read)


def _read(path: str, beside: _Beside) -> Sample:
    return Sample(read_file(path), *read_sidecars(_content(beside.text), _content(beside.columns), beside.line))


def _content(path: str | None) -> bytes | RowError | None:
    try:
        return None if path is None else read_file(path, max_bytes=2**20)
    except RowError as error:
        return error


def _suffix(name: str) -> str:
    return posixpath.splitext(name)[1].lower()
