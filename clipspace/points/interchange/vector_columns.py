"""Which columns of a table hold its vectors, and their values as an array (n, d)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow
from pyarrow import types

from clipspace.errors import InputError, shortened
from clipspace.points.interchange.paths import check_names

_FEWEST = 2
"""Numbered columns that make a vector."""


@dataclass(frozen=True)
class VectorColumns:
    """Where the vectors of a table stand: in one column ``path`` of lists or structs, or in many ``columns`` of numbers.

    ``name`` is what a user calls them: ``embedding``, ``clip.image`` of a struct, ``e*`` of the columns e0, e1, e2, …
    """

    name: str
    columns: tuple[str, ...]
    path: tuple[str, ...] = ()

    def values(self, batch: pyarrow.RecordBatch, start: int) -> np.ndarray:
        """The vectors (n, d) of a batch, whose first row is number ``start``; not copied where they lie side by side."""
        if len(self.columns) > 1:
            return _stacked([batch.column(name) for name in self.columns])
        array = batch.column(self.columns[0])
        for field in self.path:
            array = array.field(field)
        return _rows_of(array, self.name, start)


def vector_columns(schema: pyarrow.Schema, name: str | None, where: str, first: pyarrow.RecordBatch) -> VectorColumns:
    """The columns of vectors called ``name``, or the only ones that there are; ``first`` has a few rows, to look at texts.

    Raises `InputError` that lists what there is.
    """
    check_names(Path(where), schema.names, "column")
    found = {columns.name: columns for columns in _candidates(schema, first)}
    if name is None and len(found) == 1:
        return next(iter(found.values()))
    if name in found:
        return found[name]
    cure = f"name one as {where}:NAME" if found else "give a column of lists of numbers, or numbered columns e0, e1, …"
    got = "none named" if name is None else repr(name)
    raise InputError(
        f"{where!r}: expected a column of vectors, lists of numbers of one length in every row, among "
        f"{shortened(found, 30)} (of the columns {shortened(schema.names, 30)}), got {got}; {cure}"
    )


def _candidates(schema: pyarrow.Schema, first: pyarrow.RecordBatch) -> list[VectorColumns]:
    found = [columns for field in schema for columns in _of_field(field, (field.name,))]
    numbered: dict[str, list[str]] = {}
    for field in schema:
        if _is_number(field.type) and (match := re.fullmatch(r"(.*?)(\d+)", field.name)):
            numbered.setdefault(match[1], []).append(field.name)
    for prefix, names in numbered.items():
        if len(names) >= _FEWEST:
            in_order = sorted(names, key=lambda name, prefix=prefix: int(name.removeprefix(prefix)))
            found.append(VectorColumns(f"{prefix}*", tuple(in_order)))
    if not found and len(first):
        texts = [field.name for field in schema if types.is_string(field.type) or types.is_large_string(field.type)]
        found = [VectorColumns(name, (name,)) for name in texts if _holds_list(first.column(name)[0])]
    return found


def _of_field(field: pyarrow.Field, path: tuple[str, ...]) -> list[VectorColumns]:
    """The vectors in one column: itself, where it has lists or a struct of numbers, and the lists inside a struct."""
    kind = field.type.storage_type if isinstance(field.type, pyarrow.BaseExtensionType) else field.type
    column = VectorColumns(".".join(path), path[:1], path[1:])
    if _is_list(kind):
        return [column] if _is_number(kind.value_type) else []
    if not types.is_struct(kind):
        return []
    inner = [kind.field(i) for i in range(kind.num_fields)]
    if len(inner) >= _FEWEST and all(_is_number(part.type) for part in inner):
        return [column]
    return [found for part in inner for found in _of_field(part, (*path, part.name))]


def _is_list(kind: pyarrow.DataType) -> bool:
    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)


def _is_number(kind: pyarrow.DataType) -> bool:
    return types.is_floating(kind) or types.is_integer(kind)


def _rows_of(array: pyarrow.Array, name: str, start: int) -> np.ndarray:
    if isinstance(array, pyarrow.ExtensionArray):
        array = array.storage
    if array.null_count:
        row = start + int(np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False))[0])
        raise _uneven(name, row, "none")
    if types.is_struct(array.type):
        return _stacked(array.flatten())
    if types.is_string(array.type) or types.is_large_string(array.type):
        return _parsed(array, name, start)
    if types.is_fixed_size_list(array.type):
        width = array.type.list_size
    else:
        offsets = np.asarray(array.offsets)
        lengths = np.diff(offsets)
        width = int(lengths[0]) if len(lengths) else 0
        if (lengths != width).any():
            row = int(np.flatnonzero(lengths != width)[0])
            raise _uneven(name, start + row, f"{lengths[row]} beside {width}")
    return array.flatten().to_numpy(zero_copy_only=False).reshape(len(array), width)


def _stacked(arrays: Sequence[pyarrow.Array]) -> np.ndarray:
    return np.stack([array.to_numpy(zero_copy_only=False) for array in arrays], axis=1)


def _parsed(array: pyarrow.Array, name: str, start: int) -> np.ndarray:
    rows = [_numbers_in(text) for text in array.to_pylist()]
    width = len(rows[0]) if rows and rows[0] is not None else 0
    for i, row in enumerate(rows):
        if row is None or len(row) != width:
            raise _uneven(name, start + i, "no list" if row is None else f"{len(row)} beside {width}")
    return np.array(rows, dtype=np.float32).reshape(len(rows), width)


def _numbers_in(text: str | None) -> list[float] | None:
    """The numbers of a list that was written as text, "[0.1, 0.2]" or as NumPy prints it; None where there is none."""
    if text is None or not re.fullmatch(r"\s*\[[-+\d.eE,\s]+\]\s*", text):
        return None
    try:
        return [float(number) for number in text.strip(" []\n").replace(",", " ").split()]
    except ValueError:  # "...", where NumPy left numbers out
        return None


def _holds_list(cell: pyarrow.Scalar) -> bool:
    try:
        return _numbers_in(cell.as_py()) is not None
    except UnicodeDecodeError:
        return False


def _uneven(name: str, row: int, got: str) -> InputError:
    return InputError(
        f"expected lists of numbers of one length in every row of {name!r}, got {got} in row {row}; drop such rows first"
    )
