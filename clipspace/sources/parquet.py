"""Parquet files with images as bytes, as paths, or as Hugging Face's struct of both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow
import pyarrow.parquet

from clipspace.errors import InputError
from clipspace.sources.files import Found, beside, open_file, read_file, reason_of, size_of
from clipspace.sources.rows import MAX_BYTES, Part, Row, RowError, Sample, Source, fail, readable

_PATHS = ("image_path", "path", "file", "file_name", "filename", "image", "filepath", "url")
_CAPTIONS = ("caption", "text")


@dataclass(frozen=True)
class _Columns:
    image: str
    caption: str | None


def parquet_source(
    files: Sequence[Found], *, rows_per_part: int, image_column: str | None = None, caption_column: str | None = None
) -> Source:
    """Every row of the files, in order. A part is a run of whole row groups.

    ``image_column`` holds bytes, paths (seen from the folder of the file) or ``{bytes, path}``; found by its type and
    name when not given. Other columns are kept. A file that is no Parquet becomes one bad row. Raises
    `InputError` when no file is readable or no column is of images.
    """
    parts: list[Part] = []
    problems: list[str] = []
    for listed in files:
        name = listed.name
        try:
            with open_file(listed.path) as file:
                found = pyarrow.parquet.ParquetFile(file)
                columns = _columns(found.schema_arrow, image_column, caption_column, name)
                usual = _usual(found.schema_arrow)
                sizes = [found.metadata.row_group(i).num_rows for i in range(found.num_row_groups)]
        except (RowError, OSError, pyarrow.ArrowException) as error:
            problems.append(f"{name}: {error}")
            parts.append(Part(f"{name}:unreadable", 1, partial(_unreadable, name, str(error))))
            continue
        for groups in _runs(sizes, rows_per_part):
            rows = sum(sizes[g] for g in groups)
            start = sum(sizes[: groups[0]])
            read = partial(_rows, listed, columns, groups, [sizes[g] for g in groups], start)
            chosen = "" if columns == usual else f":{columns.image}:{columns.caption}"
            parts.append(Part(f"{name}:{size_of(listed.path)}:{start}{chosen}", rows, read))
    if len(problems) == len(files):
        raise InputError(f"encode: expected Parquet files, got {len(files)} that cannot be read ({problems[0]})")
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
    plain = _plain(schema, image)
    if caption is not None and caption not in plain:
        raise InputError(
            f"encode: expected one caption a row in {caption!r} of {name}, got {schema.field(caption).type}"
        )
    return _Columns(image, caption or next((c for c in _CAPTIONS if c in plain), None))


def _usual(schema: pyarrow.Schema) -> _Columns | None:
    """The columns taken when none is named: only others are part of a part's name, as they make it another input."""
    image = _image_column(schema)
    plain = _plain(schema, image)
    return _Columns(image, next((c for c in _CAPTIONS if c in plain), None)) if image else None


def _plain(schema: pyarrow.Schema, image: str | None) -> list[str]:
    return [field.name for field in schema if not pyarrow.types.is_nested(field.type) and field.name != image]


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


def _rows(listed: Found, columns: _Columns, groups: list[int], sizes: list[int], start: int) -> Iterator[Row]:
    """Rows of some row groups. What is left of a group that breaks off is bad, row by row."""
    for group, size in zip(groups, sizes, strict=True):
        done = 0
        try:
            with open_file(listed.path) as file:
                reader = pyarrow.parquet.ParquetFile(file, buffer_size=2**20)
                for batch in reader.iter_batches(batch_size=64, row_groups=[group]):
                    for values in batch.to_pylist():
                        yield _row(listed, columns, values, start + done)
                        done += 1
        except MemoryError:
            raise
        except Exception as error:  # text that is not UTF-8, too
            broken = partial(fail, reason_of(error, "corrupt"), f"its row group cannot be read ({error})")
            for row in range(done, size):
                yield Row(readable(f"{listed.name}:{start + row}"), broken)
        start += size


def _row(listed: Found, columns: _Columns, values: dict[str, Any], number: int) -> Row:
    image = values.pop(columns.image)
    caption = values.pop(columns.caption) if columns.caption else None
    data, at = (image.get("bytes"), image.get("path")) if isinstance(image, dict) else (image, None)
    if isinstance(data, str):
        data, at = None, data
    name = beside(listed.name, at) if at else f"{listed.name}:{number}"
    caption = None if caption is None else str(caption)
    return Row(readable(name), partial(_sample, listed.path, data, at, caption, values))


def _sample(path: str, data: bytes | None, at: str | None, caption: str | None, values: dict[str, Any]) -> Sample:
    if data is None and at is None:
        raise RowError("empty", "expected an image, got a null")
    if data is not None and len(data) > MAX_BYTES:
        raise RowError("too large", f"expected at most {MAX_BYTES:,} bytes")
    return Sample(read_file(beside(path, at)) if data is None else data, caption, values)
