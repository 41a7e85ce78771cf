"""Tables in files: Parquet, Arrow, CSV, Lance and folders of them, as groups of rows that are read batch by batch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from clipspace.errors import CapabilityError, InputError, shortened
from clipspace.points.interchange.paths import KINDS, TABLES, kind_of
from clipspace.points.interchange.text import read_text, separator_of
from clipspace.points.store.pairing import in_sequence

_BUFFER = 2**20
"""Bytes of a Parquet file that are read at a time; else a column of a whole row group would be."""
_SHARDS = (".parquet", ".pq", ".arrow", ".feather")
"""Suffixes of files that are tables together, in one folder."""
_BESIDE = (".json", ".md", ".txt")
"""Suffixes of files that say something of the tables in their folder."""


@dataclass(frozen=True)
class Group:
    """Neighbouring rows that are read from the first on: a row group of Parquet, an Arrow file, a table in memory."""

    where: Any
    kind: str
    rows: int
    number: int = 0

    def read(self, columns: Sequence[str], rows: int) -> Iterator[pyarrow.RecordBatch]:
        """Some columns in batches of at most ``rows``. Those of Arrow files that are not compressed stay on disk."""
        with _whole(self.where):
            for batch in _READERS[self.kind](self, list(columns), rows):
                if self.kind in _UNCHECKED:
                    batch.validate(full=True)
                yield batch


@dataclass(frozen=True)
class Table:
    """The groups of a table, and its schema. Get one from `table_at` or `table_of`."""

    groups: tuple[Group, ...]
    schema: pyarrow.Schema
    name: str

    def __len__(self) -> int:
        return sum(group.rows for group in self.groups)

    def column(self, name: str) -> pyarrow.ChunkedArray:
        """A column of all rows, in memory, or mapped into it as the files are. Raises `InputError` for bad rows."""
        batches = [batch for group in self.groups for batch in group.read([name], 2**16)]
        if not batches:
            return pyarrow.chunked_array([], self.schema.field(name).type)
        return pyarrow.chunked_array([batch.column(0) for batch in batches])


def is_table(path: Path) -> bool:
    """Whether a path names a file of a table, or a folder of such files."""
    return kind_of(path) in TABLES or (path.is_dir() and bool(_files_in(path)))


def table_at(path: Path) -> Table:
    """The table of a file or folder; of a text file (.csv, .tsv) in memory, of others on disk.

    A folder is one that Hugging Face's ``save_to_disk`` wrote, or has files of one kind, which are read in the order of
    their names. Raises `InputError` for files that cannot be read or have not the same columns.
    """
    is_folder = path.is_dir() and kind_of(path) != ".lance"
    files = _files_in(path) if is_folder else [path]
    if not files or not (is_folder or path.exists()):
        raise InputError(f"expected {KINDS}, got {str(path)!r}; check the path")
    opened = [_open_file(file) for file in files]
    first = opened[0].schema
    for file, table in zip(files, opened, strict=True):
        if not table.schema.equals(first):
            raise InputError(
                f"{str(path)!r}: expected files of the same columns, got {first.names} in {files[0].name} and "
                f"{table.schema.names} in {file.name}, or other types; name one of them"
            )
    return Table(tuple(group for table in opened for group in table.groups), first, str(path))


def table_of(data: Any, name: str) -> Table:
    """The table of a pandas, polars or Arrow table in memory, or of a ``datasets.Dataset``."""
    if type(data).__module__.startswith("datasets"):
        data = data.with_format("arrow")[:]
    try:
        table = data if isinstance(data, pyarrow.Table) else _as_arrow(data)
    except (pyarrow.ArrowException, TypeError, ValueError) as error:
        raise InputError(f"{name}: expected columns that Arrow can hold, got one that it cannot ({error})") from None
    return Table((Group(table, "memory", len(table)),), table.schema, name)


def _as_arrow(data: Any) -> pyarrow.Table:
    if hasattr(data, "to_arrow"):  # polars
        return data.to_arrow()
    frame = data.rename(columns=str)
    return pyarrow.Table.from_pandas(frame)


def _files_in(folder: Path) -> list[Path]:
    """The files of a Hugging Face dataset in their order, or tables of one kind that are all there is; else none."""
    if (folder / "dataset_dict.json").is_file():
        splits = json.loads((folder / "dataset_dict.json").read_bytes())["splits"]
        raise InputError(
            f"{str(folder)!r}: expected one split of a dataset, got {shortened(splits)}; name one: {folder / splits[0]}"
        )
    if (folder / "state.json").is_file():
        state = json.loads((folder / "state.json").read_bytes())
        if state.get("_indices_data_files") or state.get("_indices_files"):
            raise InputError(
                f"{str(folder)!r}: expected a dataset whose rows are in order, got one with a table of indices; save "
                "dataset.flatten_indices()"
            )
        return [folder / entry["filename"] for entry in state["_data_files"]]
    files = [file for file in folder.iterdir() if not file.name.startswith(".") and file.suffix not in _BESIDE]
    found = [file for file in files if file.suffix.lower() in _SHARDS]
    if len(found) < len(files):
        return []
    if len({file.suffix for file in found}) > 1:
        raise InputError(
            f"{str(folder)!r}: expected tables of one kind, got {shortened(sorted(file.name for file in found))}; name a file"
        )
    return in_sequence(found)


def _open_file(file: Path) -> Table:
    kind = kind_of(file)
    with _whole(file):
        if kind in (".csv", ".tsv"):
            return table_of(_read_text_table(file), str(file))
        if kind in (".arrow", ".feather"):
            with _arrow_reader(str(file)) as (batches, schema):
                return Table((Group(str(file), "arrow", sum(batch.num_rows for batch in batches)),), schema, str(file))
        if kind == ".lance":
            data = _lance(str(file))
            return Table((Group(str(file), "lance", data.count_rows()),), data.schema, str(file))
        with pyarrow.parquet.ParquetFile(file) as opened:
            sizes = [opened.metadata.row_group(i).num_rows for i in range(opened.num_row_groups)]
            groups = tuple(Group(str(file), "parquet", rows, i) for i, rows in enumerate(sizes))
            return Table(groups, opened.schema_arrow, str(file))


def _read_text_table(file: Path) -> pyarrow.Table:
    import pyarrow.csv

    text = read_text(file)
    options = pyarrow.csv.ParseOptions(delimiter=separator_of(file, text), newlines_in_values=True)
    return pyarrow.csv.read_csv(pyarrow.py_buffer(text.encode()), parse_options=options)


@contextmanager
def _arrow_reader(path: str) -> Iterator[tuple[Iterator[pyarrow.RecordBatch], pyarrow.Schema]]:
    """The batches and the schema of an Arrow file of either format: with random access, or a stream as `datasets` writes."""
    mapped = pyarrow.memory_map(path)
    try:
        reader = pyarrow.ipc.open_file(mapped)
        yield (reader.get_batch(i) for i in range(reader.num_record_batches)), reader.schema
    except pyarrow.ArrowInvalid:
        mapped.seek(0)
        stream = pyarrow.ipc.open_stream(mapped)
        yield iter(stream), stream.schema


def _read_arrow(group: Group, columns: list[str], rows: int) -> Iterator[pyarrow.RecordBatch]:
    with _arrow_reader(group.where) as (batches, _):
        for batch in batches:
            chosen = batch.select(columns)
            yield from (chosen.slice(start, rows) for start in range(0, len(chosen), rows))


def _read_parquet(group: Group, columns: list[str], rows: int) -> Iterator[pyarrow.RecordBatch]:
    with pyarrow.parquet.ParquetFile(group.where, buffer_size=_BUFFER, pre_buffer=False) as file:
        yield from file.iter_batches(batch_size=rows, row_groups=[group.number], columns=columns)


def _read_memory(group: Group, columns: list[str], rows: int) -> Iterator[pyarrow.RecordBatch]:
    yield from group.where.select(columns).to_batches(max_chunksize=rows)


def _read_lance(group: Group, columns: list[str], rows: int) -> Iterator[pyarrow.RecordBatch]:
    yield from _lance(group.where).to_batches(columns=columns, batch_size=rows, scan_in_order=True)


def _lance(path: str) -> Any:
    try:
        import lance
    except ImportError:
        raise CapabilityError(
            f"{path!r}: a Lance table needs the package lance, which is not installed; pip install pylance"
        ) from None
    return lance.dataset(path)


_UNCHECKED = ("parquet", "arrow")
"""Kinds of files of which Arrow takes lengths and texts as they are, without a look at them."""
_READERS = {"parquet": _read_parquet, "arrow": _read_arrow, "memory": _read_memory, "lance": _read_lance}


@contextmanager
def _whole(where: Any) -> Iterator[None]:
    """Raise `InputError` that names the file where reading it fails."""
    try:
        yield
    except (OSError, pyarrow.ArrowException, KeyError, UnicodeDecodeError) as error:
        kind = {".parquet": "Parquet", ".pq": "Parquet"}.get(kind_of(Path(str(where)[:4096])), "a table")
        message = " ".join(str(error).split())[:300]
        raise InputError(f"{str(where)!r:.300}: cannot be read as {kind} ({message}); get a whole copy") from None
