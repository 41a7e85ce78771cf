"""Metadata files of a store as one table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from clipspace.errors import InputError

if TYPE_CHECKING:
    import pyarrow


def read_schema(path: Path | None) -> pyarrow.Schema:
    """Names and types of the columns of one file; none where there is no file."""
    import pyarrow.parquet

    if path is None:
        return pyarrow.schema([])
    with _whole(path):
        return pyarrow.parquet.read_schema(path).remove_metadata()


def count_rows(path: Path) -> int:
    """How many rows one file says that it has. Raises `InputError` for two columns of one name."""
    import pyarrow.parquet

    with _whole(path), pyarrow.parquet.ParquetFile(path) as file:
        names, rows = file.schema_arrow.names, file.metadata.num_rows
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"store: expected columns of different names in {str(path)!r}, got {twice} twice; rename them")
    return rows


def read_table(path: Path | None, columns: tuple[str, ...] | None = None) -> pyarrow.Table:
    """One file, whole or some columns; a column that it lacks is null. No columns where there is no file."""
    import pyarrow

    if path is None:
        return pyarrow.table({})
    with _whole(path):
        return _read_parquet(path, path.stat().st_mtime_ns, columns)


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """Raise `InputError` that names the file where reading it fails."""
    import pyarrow

    try:
        yield
    except (OSError, UnicodeDecodeError, pyarrow.ArrowException) as error:
        why = " ".join(str(error).split())
        raise InputError(
            f"store: {str(path)!r} cannot be read ({why}); get a whole copy of the store, or make it again"
        ) from None


@lru_cache(maxsize=8)
def _read_parquet(path: Path, changed: int, columns: tuple[str, ...] | None) -> pyarrow.Table:
    import pyarrow.parquet

    if columns is None:
        table = pyarrow.parquet.read_table(path).replace_schema_metadata(None)
    else:
        file = pyarrow.parquet.ParquetFile(path)
        found = file.read([name for name in columns if name in file.schema_arrow.names])
        absent = pyarrow.nulls(file.metadata.num_rows)
        table = pyarrow.table({name: found[name] if name in found.column_names else absent for name in columns})
    table.validate(full=True)  # once, when it is read: Arrow takes texts as they are, without a look at them
    return table


def name_column(columns: Sequence[str], modality: str) -> str | None:
    """The column that names the rows, None where there is none."""
    candidates = ("caption", "image_path") if modality == "text" else ("image_path", "caption")
    return next((name for name in candidates if name in columns), None)


def _as_text(table: pyarrow.Table, tables: list[pyarrow.Table]) -> pyarrow.Table:
    """``table`` with columns that are of another kind in another table as text."""
    import pyarrow

    for i, field in enumerate(table.schema):
        kinds = {t.schema.field(field.name).type for t in tables if field.name in t.column_names} - {pyarrow.null()}
        if (
            len(kinds) > 1
            and not all(map(pyarrow.types.is_integer, kinds))
            and not all(map(pyarrow.types.is_floating, kinds))
        ):
            texts = [None if value is None else str(value) for value in table[field.name].to_pylist()]
            table = table.set_column(i, field.name, pyarrow.array(texts, pyarrow.string()))
    return table


def concatenate(tables: list[pyarrow.Table]) -> pyarrow.Table:
    """One table of several: a column that some lack is null there, one of several types becomes text.

    So does one of integers and of fractions where an integer has no float64 of its own.
    """
    import pyarrow

    try:
        return pyarrow.concat_tables(tables, promote_options="permissive")
    except (pyarrow.ArrowTypeError, pyarrow.ArrowInvalid):
        return pyarrow.concat_tables([_as_text(table, tables) for table in tables], promote_options="permissive")
