"""Parquet files with images as bytes, as paths, or as Hugging Face's struct of both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import pyarrow
import pyarrow.parquet

from clipspace.errors import InputError
from clipspace.sources.files import beside, open_file, read_file, size_of
from clipspace.sources.rows import MAX_BYTES, Part, Row, RowError, Sample, Source, fail, readable

_PATHS = ("image_path", "path", "file", "file_name", "filename", "image", "filepath", "url")
_CAPTIONS = ("caption", "text")


@dataclass(frozen=True)
class _Columns:
    image: str
    caption: str | None


def parquet_source(
    paths: Sequence[str], *, rows_per_part: int, image_column: str | None = None, caption_column: str | None = None
) -> Source:
    """Every row of the files, in order. A part is a run of whole row groups.

    ``image_column`` holds bytes, paths (seen from the folder of the file) or ``{bytes, path}``; found by its type and
    name when not given. Other columns are kept. A file that is no Parquet becomes one bad row. Raises
    `InputError` when no file is readable or no column is of images.
    """
    parts: list[Part] = []
    problems: list[str] = []
    for path in paths:
        name = PurePosixPath(path).name
        try:
            with open_file(path) as file:
                found = pyarrow.parquet.ParquetFile(file)
                columns = _columns(found.schema_arrow, image_column, caption_column, name)
                sizes = [found.metadata.row_group(i).num_rows for i in range(found.num_row_groups)]
        except (RowError, OSError, pyarrow.ArrowException) as error:
            problems.append(f"{name}: {error}")
            parts.append(Part(f"{name}:unreadable", 1, partial(_unreadable, name, str(error))))
            continue
        for groups in _runs(sizes, rows_per_part):
            rows = sum(sizes[g] for g in groups)
            start = sum(sizes[: groups[0]])
            parts.append(
                Part(
                    f"{name}:{size_of(path)}:{start}",
                    rows,
                    partial(_rows, path, columns, groups, [sizes[g] for g in groups], start),
                )
            )
    if len(problems) == len(paths):
        raise InputError(f"encode: expected Parquet files, got {len(paths)} that cannot be read ({problems[0]})")
    return Source(tuple(parts))


def _runs(sizes: Sequence[int], most: int) -> Iterator[list[int]]:
    """Neighbouring row groups of together at most ``most`` rows; one that is larger stands alone."""
    run: list[int] = []
    for group, size in enumerate(sizes):
        if run and sum(sizes[g] for g in run) + size > most:
            yield run
            run = []
        run.append(group)
    if run:
        yield run


def _columns(schema: pyarrow.Schema, image: str | None, caption: str | None, name: str) -> _Columns:
    for wanted in (image, caption):
        if wanted is not None and wanted not in schema.names:
            raise InputError(f"encode: expected a column {wanted!r} in {name}, got {schema.names}")
    image = image or _image_column(schema)
    if image is None or not _may_be_images(schema.field(image).type):
        raise InputError(
            f"encode: expected a column of images (bytes, {{bytes, path}} or a path) in {name}, got {schema.names}; "
            "name it with image_column (--image-column)"
        )
    plain = [field.name for field in schema if not pyarrow.types.is_nested(field.type) and field.name != image]
    if caption is not None and caption not in plain:
        raise InputError(
            f"encode: expected one caption a row in {caption!r} of {name}, got {schema.field(caption).type}"
        )
    return _Columns(image, caption or next((c for c in _CAPTIONS if c in plain), None))


def _image_column(schema: pyarrow.Schema) -> str | None:
    types = pyarrow.types
    for is_images in (_is_hugging_face, lambda kind: types.is_binary(kind) or types.is_large_binary(kind)):
        for column in schema:
            if is_images(column.type):
                return column.name
    texts = [c.name for c in schema if types.is_string(c.type) or types.is_large_string(c.type)]
    return next((name for name in _PATHS if name in texts), None)


def _may_be_images(kind: pyarrow.DataType) -> bool:
    types = pyarrow.types
    plain = (types.is_binary, types.is_large_binary, types.is_string, types.is_large_string, _is_hugging_face)
    return any(is_kind(kind) for is_kind in plain)


def _is_hugging_face(kind: pyarrow.DataType) -> bool:
    return pyarrow.types.is_struct(kind) and {f.name for f in kind} >= {"bytes", "path"}


def _unreadable(name: str, message: str) -> Iterator[Row]:
    yield Row(readable(name), partial(fail, "unreadable", message))


def _rows(path: str, columns: _Columns, groups: list[int], sizes: list[int], start: int) -> Iterator[Row]:
    """Rows of some row groups. What is left of a group that breaks off is bad, row by row."""
    name = readable(PurePosixPath(path).name)
    for group, size in zip(groups, sizes, strict=True):
        done = 0
        try:
            with open_file(path) as file:
                reader = pyarrow.parquet.ParquetFile(file, buffer_size=2**20)
                for batch in reader.iter_batches(batch_size=64, row_groups=[group]):
                    for values in batch.to_pylist():
                        yield _row(path, columns, values, f"{name}:{start + done}")
                        done += 1
        except Exception as error:  # text that is not UTF-8, too
            broken = partial(fail, "corrupt", f"its row group cannot be read ({error})")
            for row in range(done, size):
                yield Row(f"{name}:{start + row}", broken)
        start += size


def _row(path: str, columns: _Columns, values: dict[str, Any], name: str) -> Row:
    image = values.pop(columns.image)
    caption = values.pop(columns.caption) if columns.caption else None
    data, at = (image.get("bytes"), image.get("path")) if isinstance(image, dict) else (image, None)
    if isinstance(data, str):
        data, at = None, data
    return Row(
        readable(at or name), partial(_sample, path, data, at, None if caption is None else str(caption), values)
    )


def _sample(path: str, data: bytes | None, at: str | None, caption: str | None, values: dict[str, Any]) -> Sample:
    if data is None and at is None:
        raise RowError("empty", "expected an image, got a null")
    if data is not None and len(data) > MAX_BYTES:
        raise RowError("too large", f"expected at most {MAX_BYTES:,} bytes")
    return Sample(read_file(beside(path, at)) if data is None else data, caption, values)
