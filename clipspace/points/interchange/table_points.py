"""`TablePoints`: points in a table on disk, read batch by batch when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow

from clipspace.errors import InputError, check_count
from clipspace.points.embeddings import Embeddings, Modality, RowNumbers, Stamp, row_numbers
from clipspace.points.interchange import tables
from clipspace.points.interchange.vector_columns import VectorColumns, vector_columns
from clipspace.points.lazy_columns import LazyColumns
from clipspace.points.protocol import BLOCK_ROWS, PART_ROWS
from clipspace.reprs import brief

_LOOKED_AT = 8
"""Rows that are read to know the dimension and the type."""


@dataclass(frozen=True)
class TableRun:
    """The vectors of neighbouring groups of a table: what a worker reads, anywhere the files are."""

    groups: tuple[tables.Group, ...]
    vectors: VectorColumns
    dim: int
    start: int = 0

    __repr__ = brief

    def __len__(self) -> int:
        return sum(group.rows for group in self.groups)

    def blocks(self, rows: int = BLOCK_ROWS) -> Iterator[np.ndarray]:
        start = self.start
        for group in self.groups:
            for batch in _one_ahead(group.read(self.vectors.columns, rows)):
                yield self._floats(self.vectors.values(batch, start), start)
                start += batch.num_rows

    def _floats(self, block: np.ndarray, start: int) -> np.ndarray:
        if block.shape[1] != self.dim and len(block):
            raise InputError(
                f"expected lists of numbers of one length in every row of {self.vectors.name!r}, got {block.shape[1]} beside "
                f"{self.dim} in row {start}; drop such rows first"
            )
        return block if block.dtype.kind == "f" else block.astype(np.float32)


@dataclass(frozen=True, eq=False)
class TablePoints:
    """Points whose vectors stand in columns of a table. Get them from `open_points`; ``points[rows]`` are `Embeddings`.

    ``columns`` are the other columns, without those of lists, structs and bytes; each is read when it is asked for.
    ``facts`` are what `write_points` wrote of them into the table, empty for a table of another program.
    """

    table: tables.Table
    vectors: VectorColumns
    dim: int
    dtype: np.dtype
    stamp: Stamp | None = None
    modality: Modality = "image"
    name_column: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        return (
            f"TablePoints({self.table.name!r}: {len(self)} x {self.dim} {self.dtype} in {self.vectors.name!r}, "
            f"{self.modality}, {self.stamp or 'no stamp'})"
        )

    @property
    def hash(self) -> None:
        """None: the table may change. That of a store is its digest."""

    @cached_property
    def names(self) -> Sequence[str]:
        if self.name_column is None:
            return RowNumbers(len(self))
        values = self.metadata([self.name_column])[self.name_column].to_pylist()
        return [str(value) for value in values]

    @cached_property
    def columns(self) -> LazyColumns:
        left_out = {self.name_column, *self.vectors.columns}
        names = [f.name for f in self.table.schema if f.name not in left_out and _is_plain(f.type)]
        return LazyColumns(names, lambda name: self.metadata([name])[name].to_pylist())

    def metadata(self, columns: Sequence[str] | None = None) -> pyarrow.Table:
        """Columns of all rows as an Arrow table; all that ``columns`` has when None."""
        names = [*self.columns] if columns is None else columns
        return pyarrow.table({name: self._column(name) for name in names})

    def blocks(self, rows: int = BLOCK_ROWS) -> Iterator[np.ndarray]:
        """The vectors in order, at most ``rows`` at a time, in their own type; integers become float32."""
        check_count("blocks", rows)
        return TableRun(self.table.groups, self.vectors, self.dim).blocks(rows)

    def parts(self, rows: int = PART_ROWS) -> Iterator[TableRun]:
        """The vectors in order, as runs of whole groups of together at most ``rows``; one that is larger stands alone."""
        check_count("parts", rows)
        run: list[tables.Group] = []
        start = 0
        for group in self.table.groups:
            n = sum(group.rows for group in run)
            if run and n + group.rows > rows:
                yield TableRun(tuple(run), self.vectors, self.dim, start)
                run, start = [], start + n
            run.append(group)
        yield TableRun(tuple(run), self.vectors, self.dim, start)

    def __getitem__(self, rows: int | slice | Sequence[int] | np.ndarray) -> Embeddings:
        """The rows chosen by an integer, slice, index list or boolean mask, in memory, with their columns.

        A row is found by reading its group from the first row on: ask for many at a time.
        """
        numbers = row_numbers(rows, len(self), "points")
        metadata = self.metadata()
        columns = {name: metadata[name].take(numbers).to_pylist() for name in metadata.column_names}
        names = [self.names[i] for i in numbers]
        return Embeddings(self._vectors(numbers), self.stamp, self.modality, names, columns)

    def _vectors(self, numbers: np.ndarray) -> np.ndarray:
        order = np.argsort(numbers, kind="stable")
        rows = numbers[order]
        found = np.empty((len(rows), self.dim), self.dtype)
        first = 0
        for group in self.table.groups:
            start, last = first, int(np.searchsorted(rows, first + group.rows))
            low = int(np.searchsorted(rows, first))
            for block in TableRun((group,), self.vectors, self.dim, start).blocks() if low < last else ():
                end = int(np.searchsorted(rows, start + len(block)))
                found[order[low:end]] = block[rows[low:end] - start]
                low, start = end, start + len(block)
                if low == last:
                    break
            first += group.rows
        return found

    def _column(self, name: str) -> pyarrow.ChunkedArray:
        if name not in self._columns_read:
            self._columns_read[name] = self.table.column(name)
        return self._columns_read[name]

    @cached_property
    def _columns_read(self) -> dict[str, pyarrow.ChunkedArray]:
        return {}


def table_points(table: tables.Table, name: str | None) -> TablePoints:
    """The points of a table whose vectors are in the columns called ``name``, or in the only ones that there are.

    Raises `InputError` for a table without rows or without such columns.
    """
    where = table.name
    first = next((batch for group in table.groups for batch in group.read(table.schema.names, _LOOKED_AT)), None)
    if first is None or not len(first):
        raise InputError(f"{where!r}: expected vectors, at least one, got a table without rows; check how it was made")
    vectors = vector_columns(table.schema, name, where, first)
    values = vectors.values(first.slice(0, 1), 0)
    dtype = values.dtype if values.dtype.kind == "f" else np.dtype(np.float32)
    return TablePoints(table, vectors, values.shape[1], dtype)


def _one_ahead(batches: Iterator[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
    """The same batches, each read by another thread while the one before is worked on."""
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(next, batches, None)
        while (batch := waiting.result()) is not None:
            waiting = thread.submit(next, batches, None)
            yield batch


def _is_plain(kind: pyarrow.DataType) -> bool:
    return not (pyarrow.types.is_nested(kind) or pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind))
