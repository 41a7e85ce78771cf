"""`write_points`: points as a table for other programs, Parquet, Arrow or Lance, with stamp and norms."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet

from clipspace.errors import CapabilityError, InputError
from clipspace.files import atomically, check_parent, check_writable
from clipspace.points import sphere
from clipspace.points.arrays import as_points, check_lengths, counted_blocks
from clipspace.points.embeddings import Embeddings
from clipspace.points.interchange.opening import KEY, are_unit
from clipspace.points.protocol import BLOCK_ROWS, Points
from clipspace.points.store import layout
from clipspace.sequences import in_order

VECTORS, NAMES = "vector", "name"
"""Columns that are written beside those of the points."""
SUFFIXES = (".parquet", ".arrow", ".lance")
_GROUP_ROWS = 16 * BLOCK_ROWS
"""Rows of a row group: what is read to find a row."""


def check_output(path: Path, *, overwrite: bool = False) -> None:
    """Raise `InputError` unless points can be written to ``path``. Ask before work starts."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"write_points: expected a name that ends in one of {list(SUFFIXES)}, got {path.name!r}")
    if path.suffix.lower() != ".lance":
        check_writable(path, overwrite=overwrite)
        return
    _lance()
    if path.exists() and not overwrite:
        raise InputError(f"save: {str(path)!r} exists; choose another name, or pass overwrite (--overwrite)")
    check_parent(path)


def write_points(path: str | Path, points: Points | np.ndarray, *, overwrite: bool = False) -> None:
    """Write a row for each point: its name, its vector as a list of fixed size, its norm, and its columns.

    The suffix says the format: ``.parquet``; ``.arrow``, a stream as Hugging Face's `datasets` reads and writes it; or
    ``.lance``, which takes the package. `datasets` opens them by ``load_dataset("parquet", data_files=…)`` and
    ``Dataset.from_file``; FiftyOne, pandas, polars and DuckDB by their own readers. The metadata of the schema hold, under
    ``clipspace.points``, the stamp and the modality, so that `open_points` gives the same points back.

    Vectors keep their type and their lengths. The column ``norm`` (``text_norm`` of texts) has the lengths that the encoder
    gave: the points' own column, or those of the vectors; there is none where vectors are unit and nothing else is known.
    Points are read in blocks.

    Raises `InputError` for a path that cannot be written, for columns that clash, and for vectors that are not finite.
    """
    path, points = Path(path), as_points(points)
    check_output(path, overwrite=overwrite)
    norm = layout.NORMS[points.modality]
    columns = {name: _as_column(values, name) for name, values in points.columns.items()}
    clashing = sorted(set(columns) & {VECTORS, NAMES})
    if clashing:
        raise InputError(
            f"write_points: expected columns of other names than {clashing}, which are its own; rename them"
        )
    columns = {NAMES: pyarrow.array(map(str, points.names), pyarrow.string(), size=len(points)), **columns}
    batches = _batches(points, columns, None if norm in columns or are_unit(points) else norm)
    first = next(batches, None)
    if first is None:
        raise InputError("write_points: expected at least one row, got none")
    facts = {
        "stamp": None if points.stamp is None else points.stamp.to_dict(),
        "modality": points.modality,
        "vectors": VECTORS,
        "names": NAMES,
    }
    schema = first.schema.with_metadata({KEY: json.dumps(facts)})
    rows = (batch.replace_schema_metadata(schema.metadata) for batch in chain([first], batches))
    _WRITERS[path.suffix.lower()](path, schema, rows, overwrite)


def embedded(points: Points, rows: int = 4 * BLOCK_ROWS) -> Iterator[Embeddings]:
    """All of ``points`` in order, read once, at most ``rows`` at a time, with names and columns: parts for `write_store`."""
    columns, start = {name: points.columns[name] for name in points.columns}, 0
    for block in counted_blocks(points, rows):
        chosen = slice(start, start + len(block))
        own = {name: values[chosen] for name, values in columns.items()}
        yield Embeddings(block, points.stamp, points.modality, points.names[chosen], own)
        start += len(block)


def _batches(points: Points, columns: dict[str, Any], norm: str | None) -> Iterator[pyarrow.RecordBatch]:
    start = 0
    for block in counted_blocks(points):
        stop = start + len(block)
        values = pyarrow.array(np.ascontiguousarray(block).reshape(-1))
        row = {NAMES: columns[NAMES][start:stop], VECTORS: pyarrow.FixedSizeListArray.from_arrays(values, points.dim)}
        lengths = sphere.norm(block)
        check_lengths(lengths, range(start, stop), unit=False)
        if norm is not None:
            row[norm] = pyarrow.array(lengths.astype(np.float32))
        row |= {name: column[start:stop] for name, column in columns.items() if name != NAMES}
        yield pyarrow.RecordBatch.from_pydict(row)
        start = stop


def _as_column(values: Any, name: str) -> pyarrow.Array:
    try:
        return pyarrow.array(in_order(values, f"write_points: {name!r}"), from_pandas=True)
    except (pyarrow.ArrowException, TypeError) as error:
        raise InputError(
            f"write_points: expected values of one type in {name!r}, got {error}; make them text"
        ) from None


def _write_parquet(path: Path, schema: pyarrow.Schema, rows: Iterator[pyarrow.RecordBatch], overwrite: bool) -> None:
    # Few values of a vector occur twice: a dictionary of them only slows reading.
    options = {"use_dictionary": [name for name in schema.names if name != VECTORS], "compression": "zstd"}
    with (
        atomically(path, overwrite=overwrite) as part,
        pyarrow.parquet.ParquetWriter(part, schema, **options) as file,
    ):
        held: list[pyarrow.RecordBatch] = []
        for batch in rows:
            held.append(batch)
            if sum(map(len, held)) >= _GROUP_ROWS:
                file.write_table(pyarrow.Table.from_batches(held))
                held = []
        if held:
            file.write_table(pyarrow.Table.from_batches(held))


def _write_arrow(path: Path, schema: pyarrow.Schema, rows: Iterator[pyarrow.RecordBatch], overwrite: bool) -> None:
    with (
        atomically(path, overwrite=overwrite) as part,
        pyarrow.OSFile(str(part), "wb") as file,
        pyarrow.ipc.new_stream(file, schema) as stream,
    ):
        for batch in rows:
            stream.write_batch(batch)


def _write_lance(path: Path, schema: pyarrow.Schema, rows: Iterator[pyarrow.RecordBatch], overwrite: bool) -> None:
    mode = "overwrite" if overwrite and path.exists() else "create"
    reader = pyarrow.RecordBatchReader.from_batches(schema, rows)
    _lance().write_dataset(reader, str(path), mode=mode)


def _lance() -> Any:
    try:
        import lance
    except ImportError:
        raise CapabilityError(
            "write_points: .lance needs the package lance, which is not installed; pip install pylance, or write .parquet"
        ) from None
    return lance


_WRITERS = {".parquet": _write_parquet, ".arrow": _write_arrow, ".lance": _write_lance}
