"""A folder of images, nested as it likes, with captions in ``.txt`` and columns in ``.json`` files beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from clipspace.errors import InputError
from clipspace.images import SUFFIXES
from clipspace.sources.files import Found, read_file, size_of
from clipspace.sources.rows import Part, Row, RowError, Sample, Source, digest_of, fail, readable


def folder_source(folder: str, files: Sequence[Found], *, rows_per_part: int) -> Source:
    """Every image among ``files``, which were found below ``folder``.

    ``a/b.jpg`` takes its caption from ``a/b.txt`` and its columns from ``a/b.json`` (also its caption, when
    there is no text file). Raises `InputError` when there is no image.
    """
    paths = {file.name: file.path for file in files}
    images = [file for file in files if file.problem or _suffix(file.name) in SUFFIXES]
    if not any(file.problem is None for file in images):
        raise InputError(
            f"encode: expected images ({', '.join(sorted(SUFFIXES))}) below {folder!r}, got none among "
            f"{len(files)} files; check the folder"
        )
    used = {name for file in images for name in sidecars(file.name) if name in paths}
    parts = [
        _part(images[start : start + rows_per_part], paths, start) for start in range(0, len(images), rows_per_part)
    ]
    return Source(tuple(parts), ignored=len(files) - len(images) - len(used))


def sidecars(name: str) -> tuple[str, str]:
    """Names of the caption and of the columns of the image ``name``."""
    stem = str(PurePosixPath(name).with_suffix(""))
    return stem + ".txt", stem + ".json"


def read_sidecars(text: bytes | None, columns: bytes | None) -> tuple[str | None, dict[str, Any]]:
    """Caption and columns from the content of both files. A broken one becomes the column ``sidecar_error``."""
    caption, found = None, {}
    try:
        if columns is not None:
            found = _flat(json.loads(columns))
            json.dumps(found, ensure_ascii=False).encode()  # half of a surrogate pair is valid JSON, but no text
            caption = found.pop("caption", None)
        if text is not None:
            caption = text.decode("utf-8").strip()
    except (ValueError, TypeError, RecursionError) as error:
        caption, found = None, {"sidecar_error": repr(error)[:200]}
    return (None if caption is None else str(caption)), found


def _part(files: list[Found], paths: dict[str, str], start: int) -> Part:
    mine = [(file, tuple(paths.get(name) for name in sidecars(file.name))) for file in files]
    name = f"{start}:{digest_of([f'{file.name}:{size_of(file.path)}' for file in files])}"
    return Part(name, len(files), partial(_rows, mine))


def _rows(files: list[tuple[Found, tuple[str | None, str | None]]]) -> Iterator[Row]:
    for file, beside in files:
        read = partial(fail, "unreadable", file.problem) if file.problem else partial(_read, file.path, *beside)
        yield Row(readable(file.name), read)


def _read(path: str, text: str | None, columns: str | None) -> Sample:
    data = read_file(path)
    try:
        contents = [None if side is None else read_file(side, max_bytes=2**20) for side in (text, columns)]
    except RowError as error:
        return Sample(data, None, {"sidecar_error": str(error)})
    return Sample(data, *read_sidecars(*contents))


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _flat(values: Any, prefix: str = "") -> dict[str, Any]:
    """Nested objects as dotted keys; lists as JSON text."""
    if not isinstance(values, dict):
        raise TypeError(f"expected a JSON object, got {type(values).__name__}")
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = json.dumps(value) if isinstance(value, list) else value
    return flat
