"""Parquet files with images as bytes, as paths, or as Hugging Face's struct of both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pyarrow
import pyarrow.parquet

from clipspace.errors import InputError
from clipspace.sources.columns import Columns, columns_of, columns_of_0_1
from clipspace.sources.files import Found, beside, open_file, read_file, reason_of, size_of
from clipspace.sources.rows import MAX_BYTES, Part, Row, RowError, Sample, Source, as_caption, fail, readable
from clipspace.sources.sidecars import with_faults

_ROWS = 64


def parquet_source(
    files: Sequence[Found], *, rows_per_part: int, image_column: str | None = None, caption_column: str | None = None
) -> Source:
    """Every row of the files, in order. A part is a run of whole row groups.

    ``image_column`` holds bytes, paths (seen from the folder of the file) or ``{bytes, path}``; found by its type,
    content and name when not given. Other columns are kept. A file that is no Parquet becomes one bad row, and a cell
    that cannot be read costs that cell, or the row where it is the image. Raises `InputError` when no file is
    readable, when a column of images cannot be told, and for two columns of one name.
    """
    parts: list[Part] = []
    problems: list[str] = []
    columns: Columns | None = None
    for listed in files:
        name = listed.name
        try:
            with open_file(listed.path) as file:
                table = _buffered(file)
                columns = columns_of(table, image_column, caption_column, name, like=columns)
                sizes = [table.metadata.row_group(i).num_rows for i in range(table.num_row_groups)]
        except (RowError, OSError, pyarrow.ArrowException) as error:
            problems.append(f"{name}: {error}")
            parts.append(Part(f"{name}:unreadable", 1, partial(_unreadable, name, str(error))))
            continue
        start = 0
        for groups in _runs(sizes, rows_per_part):
            rows = sum(sizes[g] for g in groups)
            read = partial(_rows, listed, columns, groups, [sizes[g] for g in groups], start)
            column_suffix = (
                "" if columns == columns_of_0_1(table.schema_arrow) else f":{columns.image}:{columns.caption}"
            )
            parts.append(Part(f"{name}:{size_of(listed.path)}:{start}{column_suffix}", rows, read))
            start += rows
    if len(problems) == len(files):
        raise InputError(f"encode: expected Parquet files, got {len(files)} that cannot be read ({problems[0]})")
    return Source(tuple(parts))


def _runs(sizes: Sequence[int], most: int) -> Iterator[list[int]]:
    """Neighbouring row groups of together at most ``most`` rows; one that is larger stands alone."""
    run: list[int] = []
    n_rows = 0
    for group, size in enumerate(sizes):
        if run and n_rows + size > most:
            yield run
            run, n_rows = [], 0
        run.append(group)
        n_rows += size
    if run:
        yield run


def _buffered(file: Any) -> pyarrow.parquet.ParquetFile:
    """A file that is read in pieces: pyarrow otherwise reads the column of a whole row group, however large, at once."""
    return pyarrow.parquet.ParquetFile(file, buffer_size=2**20, pre_buffer=False)


def _unreadable(name: str, message: str) -> Iterator[Row]:
    yield Row(readable(name), partial(fail, "unreadable", message))


def _rows(listed: Found, columns: Columns, groups: list[int], sizes: list[int], start: int) -> Iterator[Row]:
    """Rows of some row groups. A group that breaks off is read on column by column, as far as each of them goes."""
    for group, size in zip(groups, sizes, strict=True):
        n_read = 0
        try:
            with open_file(listed.path) as file:
                for values in _together(file, group):
                    yield _row(listed, columns, values, start + n_read)
                    n_read += 1
        except MemoryError:
            raise
        except Exception:
            pass
        if n_read < size:
            for values in _apart(listed, columns, group, n_read, size):
                yield _row(listed, columns, values, start + n_read)
                n_read += 1
        start += size


def _together(file: Any, group: int) -> Iterator[dict[str, Any]]:
    """The cells of each row of a row group."""
    for batch in _buffered(file).iter_batches(batch_size=_ROWS, row_groups=[group]):
        yield from _as_rows(batch.schema.names, [_cells(column) for column in batch.columns])


def _apart(listed: Found, columns: Columns, group: int, first: int, size: int) -> Iterator[dict[str, Any]]:
    """The cells of the rows from ``first`` on, each column read by itself and row by row."""
    try:
        with open_file(listed.path) as file:
            names = _buffered(file).schema_arrow.names
    except MemoryError:
        raise
    except Exception as error:
        names, broken = [columns.image], RowError(reason_of(error, "corrupt"), f"its file cannot be read ({error})")
        yield from _as_rows(names, [[broken] * (size - first)])
        return
    yield from _as_rows(names, [_column(listed, name, group, first, size) for name in names])


def _column(listed: Found, name: str, group: int, first: int, size: int) -> Iterator[Any]:
    """The cells of one column from ``first`` on; `RowError` from where it breaks off."""
    n_read, broken = 0, RowError("corrupt", f"the column {name!r} ends before its row group does")
    try:
        with open_file(listed.path) as file:
            for batch in _buffered(file).iter_batches(batch_size=1, row_groups=[group], columns=[name]):
                [cell] = _cells(batch.column(0))
                if n_read >= first:
                    yield cell
                n_read += 1
    except MemoryError:
        raise
    except Exception as error:
        broken = RowError(reason_of(error, "corrupt"), f"the column {name!r} of its row group cannot be read ({error})")
    for _ in range(max(n_read, first), size):
        yield broken


def _as_rows(names: Sequence[str], columns: Sequence[Any]) -> Iterator[dict[str, Any]]:
    for cells in zip(*columns, strict=True):
        yield dict(zip(names, cells, strict=True))


def _cells(column: pyarrow.Array) -> list[Any]:
    """The values of a column; `RowError` for one that has none in Python (text that is not UTF-8, the year 10000)."""
    try:
        return column.to_pylist()
    except MemoryError:
        raise
    except Exception:
        return [_cell(value) for value in column]


def _cell(value: pyarrow.Scalar) -> Any:
    try:
        return value.as_py()
    except MemoryError:
        raise
    except Exception as error:
        return RowError("corrupt", f"its cell cannot be read ({error!r:.200})")


def _row(listed: Found, columns: Columns, values: dict[str, Any], number: int) -> Row:
    place = readable(f"{listed.name}:{number}")
    image = values.pop(columns.image)
    if isinstance(image, RowError):
        return Row(place, partial(fail, image.reason, str(image)))
    data, at = (image.get("bytes"), image.get("path")) if isinstance(image, dict) else (image, None)
    if isinstance(data, str):
        data, at = None, data
    read = partial(_sample, listed.path, data, at, columns.caption, values)
    return Row(readable(beside(listed.name, at)), read, place) if at else Row(place, read)


def _sample(path: str, data: bytes | None, at: str | None, caption: str | None, values: dict[str, Any]) -> Sample:
    if data is None and not at:
        raise RowError("empty", "expected an image, got a null")
    if data is not None and len(data) > MAX_BYTES:
        raise RowError("too large", f"expected at most {MAX_BYTES:,} bytes")
    broken = [f"{name}: {value}" for name, value in values.items() if isinstance(value, RowError)]
    values = {name: None if isinstance(value, RowError) else value for name, value in values.items()}
    text = None
    try:
        text = as_caption(values.pop(caption, None))
    except ValueError as error:
        broken.append(f"{caption}: {error}")
    return Sample(read_file(beside(path, at)) if data is None else data, text, with_faults(values, broken))
