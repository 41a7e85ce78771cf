"""A value a row: the lines of a text file, an array in a file, or a column of a table; matched by name where it can be.

``file:name`` names an array of an .npz file, and a column of a table; where there is only one it need not be named.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow

from clipspace.errors import InputError
from clipspace.points.interchange.arrays import array_at
from clipspace.points.interchange.paths import ARRAYS, kind_of, one_of, split_name
from clipspace.points.interchange.tables import Table, is_table, table_at
from clipspace.points.interchange.text import read_text, separator_of


def values_at(path: Path, names: Sequence[str] | None = None) -> np.ndarray:
    """One value a row, (n,): the lines of a text file, an array, or a column of a table (None where a cell is empty).

    With the ``names`` of the rows, a table that has a column in which each name occurs once gives the value beside each
    name, in whatever order the table is and whatever else it lists. All else is taken row by row.
    """
    file, name = split_name(path)
    kind = kind_of(path)
    if not (file.is_file() or (file.is_dir() and is_table(file))):
        raise InputError(f"expected a file of one value a row, got {str(path)!r}, which is not a file; check the path")
    if kind in ARRAYS:
        values = array_at(file, name)
        if values.ndim != 1:
            raise InputError(f"{str(path)!r}: expected one value a row, got an array of shape {values.shape}")
        return values
    if is_table(file):
        is_text = kind in (".csv", ".tsv")
        values, columns = _values_of_text_table(file, name) if is_text else _values_of_table(file, name)
        places = _places(names, columns)
        return values if places is None else values[places]
    lines = re.split(r"\r\n|\r|\n", read_text(file))
    return np.array(lines[:-1] if lines[-1] == "" else lines)


def texts_at(path: Path, names: Sequence[str] | None = None) -> list[str]:
    """One text a row, as `values_at` finds them. Raises `InputError` for rows that have none."""
    values = values_at(path, names).tolist()
    wrong = [i for i, value in enumerate(values) if not isinstance(value, str)]
    if wrong:
        raise InputError(
            f"{str(path)!r}: expected a text in every row, got {values[wrong[0]]!r} in row {wrong[0]} ({len(wrong)} such)"
        )
    return values


def _places(names: Sequence[str] | None, columns: Iterable[list]) -> list[int] | None:
    """The row of each name in the first of ``columns`` that holds every name once; None where none does."""
    if names is None:
        return None
    unique_names = set(names)
    if len(unique_names) < len(names):
        return None
    for column in columns:
        rows = [(value, row) for row, value in enumerate(column) if value in unique_names]
        if len(rows) == len(unique_names) == len(dict(rows)):
            place = dict(rows)
            return [place[name] for name in names]
    return None


def _values_of_text_table(file: Path, name: str | None) -> tuple[np.ndarray, list[list]]:
    """A column of texts, so that a label "NA" or "007" stays what it is. Raises `InputError` for a row that is too long."""
    text = read_text(file)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator_of(file, text), strict=True)
    try:
        head = next(rows, [])
        at = head.index(one_of(file, head, name, "column"))
        table = []
        for row in rows:
            if any(row[len(head) :]):  # a separator at the end of each row does no harm
                raise InputError(
                    f"{str(file)!r}: expected {len(head)} values a row, got {len(row)} in line {rows.line_num}"
                )
            if row or len(head) == 1:  # an empty line is an empty cell where there is one column
                table.append(row)
    except csv.Error as error:
        raise InputError(f"{str(file)!r}: cannot be read as a table ({error} in line {rows.line_num})") from None
    values, *_ = columns = [
        [row[i] or None if i < len(row) else None for row in table] for i in (at, *range(len(head)))
    ]
    return np.array(values, dtype=object if None in values else str), columns


def _values_of_table(file: Path, name: str | None) -> tuple[np.ndarray, Iterator[list]]:
    """The values of one column, and those of every column of texts."""
    table = table_at(file)
    name = one_of(file, table.schema.names, name, "column")
    kind = table.schema.field(name).type
    if pyarrow.types.is_nested(kind):
        raise InputError(f"{str(file)!r}: expected one value a row in {name!r}, got {kind}; name another column")
    try:
        return np.array(table.column(name).to_pylist()), _texts_of(table)
    except (ValueError, OverflowError, pyarrow.ArrowException) as error:  # text that is not UTF-8, the year 10000
        raise InputError(
            f"{str(file)!r}: expected values that can be read in {name!r}, got one that cannot be ({error}); save it again"
        ) from None


def _texts_of(table: Table) -> Iterator[list]:
    for field in table.schema:
        if str(field.type) in ("string", "large_string"):
            try:
                yield table.column(field.name).to_pylist()
            except (InputError, ValueError):  # what cannot be read names no rows
                continue
