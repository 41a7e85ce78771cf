"""`Store`: embeddings on disk, read when asked; ours, and those that clip-retrieval wrote."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clipspace.embeddings import Embeddings, Stamp, check_same_space
from clipspace.errors import CapabilityError, InputError
from clipspace.store import layout

if TYPE_CHECKING:
    import pyarrow
    from pyarrow.dataset import Expression

    from clipspace.store.selection import Selection


@dataclass(frozen=True)
class Shard:
    """Files of one shard, and where its vectors lie in the array file."""

    vectors: Path
    metadata: Path | None
    rows: int
    dim: int
    dtype: np.dtype
    offset: int

    def map(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Rows of the shard as a read-only memory map."""
        stop = self.rows if stop is None else min(stop, self.rows)
        offset = self.offset + start * self.dim * self.dtype.itemsize
        return np.memmap(self.vectors, self.dtype, mode="r", offset=offset, shape=(stop - start, self.dim))


@dataclass(frozen=True, eq=False)
class Store:
    """Embeddings on disk. Get one from `open_store`; ``store[rows]`` are `Embeddings`, as stored.

    ``normalized`` tells whether the arrays hold directions only; then ``raw`` tells whether their lengths are known.
    ``native`` is False for a store that another program wrote.
    """

    path: Path
    stamp: Stamp | None
    modality: str
    modalities: tuple[str, ...]
    dtype: np.dtype
    normalized: bool
    native: bool
    shards: tuple[Shard, ...]
    header: dict[str, Any]

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __repr__(self) -> str:
        form = f"{'unit' if self.normalized else 'raw'} {self.dtype}"
        return (
            f"Store({str(self.path)!r}: {len(self)} x {self.dim} {form}, {self.modality}, {self.stamp or 'no stamp'})"
        )

    @property
    def dim(self) -> int:
        return self.shards[0].dim

    @property
    def raw(self) -> bool:
        """Whether vectors as the encoder gave them can be had: stored so, or directions with their norms."""
        return not self.normalized or layout.NORMS[self.modality] in self._schema.names

    @property
    def limits(self) -> tuple[str, ...]:
        """What cannot be done with this store, and what to do about it."""
        limits = []
        if self.stamp is None:
            limits.append(
                "it has no stamp, so it is not compared with other embeddings: open it with the stamp of the space "
                "that you know it comes from, open_store(path, stamp=space.stamp)"
            )
        if not self.raw:
            limits.append(
                "it holds directions without their norms, so decoders that want raw vectors cannot take it: encode "
                "the images again, or choose a length yourself (with_vectors)"
            )
        if self.dtype == np.float16:
            limits.append("it holds float16: cosines are good to about 0.001, exact reconstruction is not possible")
        return tuple(limits)

    @cached_property
    def hash(self) -> str:
        """A short SHA-256 of the content, vectors and metadata: from store.json, or, for other stores, of all files."""
        if self.native:
            return self.header["hash"]
        digest = hashlib.sha256()
        for shard in self.shards:
            for file in filter(None, (shard.vectors, shard.metadata)):
                digest.update(layout.facts_of(file)["sha256"].encode())
        return digest.hexdigest()[:16]

    @cached_property
    def names(self) -> list[str]:
        """Names of all rows: image paths, captions of a text store, or row numbers where there is neither."""
        column = _name_column(self._schema.names, self.modality)
        return list(map(str, range(len(self)))) if column is None else self.metadata([column])[column].to_pylist()

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the metadata columns; read them with `metadata`."""
        return tuple(self._schema.names)

    def metadata(self, columns: Sequence[str] | None = None) -> pyarrow.Table:
        """The metadata of all rows, in row order; ``columns`` reads only those."""
        unknown = set(columns or ()) - set(self._schema.names)
        if unknown:
            raise InputError(f"store: expected columns among {self._schema.names}, got {sorted(unknown)}")
        return self._concatenate([_read_table(s.metadata, tuple(columns) if columns else None) for s in self.shards])

    def blocks(self, rows: int = 65536) -> Iterator[np.ndarray]:
        """All vectors in row order, as stored, in blocks of at most ``rows``: read-only memory maps.

        A block never spans two shards, and is unmapped when it is let go, so memory stays bounded.
        """
        if rows < 1:
            raise InputError(f"blocks: expected at least 1 row, got {rows}")
        for shard in self.shards:
            for start in range(0, shard.rows, rows):
                yield shard.map(start, start + rows)

    def __getitem__(self, rows: int | slice | Sequence[int] | np.ndarray) -> Embeddings:
        """The rows chosen by an integer, slice, index list or boolean mask, as stored, with their columns.

        A run of rows within one shard is a memory map; everything else is copied.
        """
        return self._embeddings(self._indices(rows))

    def load(self, rows: int | slice | Sequence[int] | np.ndarray = slice(None), *, normalize: bool) -> Embeddings:
        """Rows in memory as float32: unit vectors, or (``normalize=False``) vectors as the encoder gave them.

        Raises `CapabilityError` when the lengths were thrown away by whoever wrote the store.
        """
        if not normalize:
            self.check_raw("load(normalize=False)")
        points = self[rows]
        if normalize:
            return points.with_vectors(points.unit)
        if not self.normalized:
            return points.with_vectors(points.vectors)
        norms = np.asarray(points.columns[layout.NORMS[self.modality]], dtype=np.float64)
        return points.with_vectors(points.unit * norms[:, None])

    def check_raw(self, doing: str) -> None:
        """Raise `CapabilityError` unless vectors as the encoder gave them can be had."""
        if not self.raw:
            raise CapabilityError(
                f"{doing}: expected raw vectors, got {self}, which holds directions without their norms; "
                "encode the images again with clipspace encode"
            )

    def where(self, expression: Expression) -> Selection:
        """Rows whose metadata meet a pyarrow expression, such as ``pyarrow.compute.field("label") == 3``."""
        from clipspace.store.selection import everything

        return everything(self).where(expression)

    def query(self, point: Embeddings) -> Selection:
        """All rows with their cosine to ``point``, to be narrowed by ``.where(field("score") > 0.3)`` or ``.top(k)``.

        Raises `SpaceMismatchError` for another space, or where one side has no stamp.
        """
        from clipspace.store.selection import scored

        return scored(self, point)

    def verify(self) -> None:
        """Read every file and compare checksums.

        Raises `InputError` that names the files that changed, `CapabilityError` for a store without checksums.
        """
        if not self.native:
            raise CapabilityError(f"verify: expected a store that clipspace wrote, got {self}, which has no checksums")
        changed = []
        for number in range(self.header["shards"]):
            record = layout.whole_record(self.path, number)
            if record is None:
                changed.append(layout.record_file(number))
                continue
            for name, facts in record["files"].items():
                if layout.facts_of(self.path / name) != facts:
                    changed.append(name)
        if changed:
            raise InputError(
                f"store: {len(changed)} files of {str(self.path)!r} are not as they were written ({', '.join(changed[:5])}); "
                "delete them and run the same `clipspace encode` again"
            )

    @cached_property
    def _starts(self) -> np.ndarray:
        return np.cumsum([0, *(shard.rows for shard in self.shards)])

    @cached_property
    def _schema(self) -> pyarrow.Schema:
        return self._concatenate([_read_schema(shard.metadata).empty_table() for shard in self.shards]).schema

    def _concatenate(self, tables: list[pyarrow.Table]) -> pyarrow.Table:
        """One table of several: a column that some lack is null there, one of several types becomes text."""
        import pyarrow

        try:
            return pyarrow.concat_tables(tables, promote_options="permissive")
        except pyarrow.ArrowTypeError:
            return pyarrow.concat_tables([_as_text(table, tables) for table in tables], promote_options="permissive")

    def _indices(self, rows: int | slice | Sequence[int] | np.ndarray) -> np.ndarray:
        if isinstance(rows, slice):
            return np.arange(*rows.indices(len(self)))
        chosen = np.asarray(rows)
        if chosen.dtype == bool:
            if chosen.shape != (len(self),):
                raise InputError(f"store: expected a mask of {len(self)} values, got {chosen.shape}")
            return np.flatnonzero(chosen)
        chosen = np.atleast_1d(chosen.astype(np.int64) if chosen.size == 0 else chosen)
        if not np.issubdtype(chosen.dtype, np.integer) or ((chosen < -len(self)) | (chosen >= len(self))).any():
            raise InputError(f"store: expected row numbers below {len(self)}, got {rows!r}")
        return chosen % len(self)

    def _embeddings(self, rows: np.ndarray) -> Embeddings:
        if not len(rows):
            return Embeddings(np.empty((0, self.dim), self.dtype), self.stamp, self.modality, [], {})
        homes = np.searchsorted(self._starts, rows, side="right") - 1
        touched = np.unique(homes)
        if len(touched) == 1 and np.array_equal(rows, np.arange(rows[0], rows[0] + len(rows))):
            start = int(rows[0] - self._starts[touched[0]])
            vectors = self.shards[touched[0]].map(start, start + len(rows))
        else:
            vectors = np.empty((len(rows), self.dim), self.dtype)
            for home in touched:
                mine = homes == home
                vectors[mine] = self.shards[home].map()[rows[mine] - self._starts[home]]
        table = self._concatenate([_read_table(self.shards[home].metadata, None) for home in touched])
        before = np.cumsum([0, *(self.shards[home].rows for home in touched)])[np.searchsorted(touched, homes)]
        table = table.take(before + rows - self._starts[homes]) if table.num_columns else table
        columns = {name: table[name].to_pylist() for name in table.column_names}
        name = _name_column(table.column_names, self.modality)
        names = columns.pop(name) if name else list(map(str, rows))
        return Embeddings(vectors, self.stamp, self.modality, names, columns)


def open_store(path: str | Path, *, modality: str | None = None, stamp: Stamp | None = None) -> Store:
    """The store in a folder, memory-mapped: one that clipspace wrote, or one in clip-retrieval's layout.

    Parameters
    ----------
    path : folder with ``img_emb`` or ``text_emb``
    modality : "image" or "text" where the store has both; images when None
    stamp : the space that a store without a stamp comes from, where you know it

    Raises `InputError` for a store that is unfinished, damaged or none, `SpaceMismatchError` when ``stamp`` is not its own.
    """
    path = Path(path)
    native = layout.header_file(path).is_file()
    if not native and not any((path / folder).is_dir() for folder in ("img_emb", "text_emb")):
        raise InputError(
            f"open_store: expected a folder with store.json or img_emb, got {str(path)!r}; make one with `clipspace encode`"
        )
    header = _native_header(path) if native else _foreign_header(path)
    modality = modality or header["modalities"][0]
    if modality not in header["modalities"]:
        raise InputError(f"open_store: expected one of {header['modalities']}, got {modality!r} of {str(path)!r}")
    shards = _native_shards(path, header, modality) if native else _foreign_shards(path, modality)
    if not shards:
        raise InputError(f"open_store: expected at least one row in {str(path)!r}, got none; see its folder 'rejected'")
    if len({(shard.dim, shard.dtype) for shard in shards}) > 1:
        raise InputError(f"open_store: expected arrays of one dimension and dtype in {str(path)!r}, got several")
    own = layout.stamp_of(header)
    if own is not None and stamp is not None:
        check_same_space(own, stamp, f"open_store {str(path)!r}")
    return Store(
        path,
        own or stamp,
        modality,
        tuple(header["modalities"]),
        shards[0].dtype,
        header["normalized"] if native else _looks_normalized(shards),
        native,
        tuple(shards),
        header,
    )


def _native_header(path: Path) -> dict[str, Any]:
    header = layout.read_header(path)
    if header["rows"] is None:
        total = header["shards"]
        done = sum(layout.whole_record(path, shard) is not None for shard in range(total or 0))
        raise InputError(
            f"open_store: {str(path)!r} is unfinished ({done} of {total or 'unknown'} shards); "
            "run the same `clipspace encode` again to go on"
        )
    return header


def _native_shards(path: Path, header: dict[str, Any], modality: str) -> list[Shard]:
    shards = []
    for number in range(header["shards"]):
        record = layout.whole_record(path, number)
        if record is None:
            raise InputError(
                f"open_store: shard {number} of {str(path)!r} is damaged: a file is missing or not of its size; "
                "run the same `clipspace encode` again to repair it"
            )
        if record["rows"]:
            metadata = path / layout.metadata_file(number)
            shards.append(_shard(path / layout.vectors_file(modality, number), metadata, record["rows"]))
    return shards


def _foreign_header(path: Path) -> dict[str, Any]:
    present = [m for m in ("image", "text") if any((path / layout.FOLDERS[m]).glob("*.npy"))]
    if not present:
        raise InputError(f"open_store: expected .npy files in {str(path)!r}, got none; get a whole copy of the store")
    return {"modalities": present, "stamp": None}


def _foreign_shards(path: Path, modality: str) -> list[Shard]:
    shards = []
    tables = {layout.number_of(file.name): file for file in (path / "metadata").glob("*.parquet")}
    for file in sorted((path / layout.FOLDERS[modality]).glob("*.npy"), key=lambda f: layout.number_of(f.name)):
        metadata = tables.get(layout.number_of(file.name))
        if tables and metadata is None:
            raise InputError(f"open_store: expected metadata for {file.name}, got none; get a whole copy of the store")
        shards.append(_shard(file, metadata, _rows_of(metadata)))
    return [shard for shard in shards if shard.rows]


def _shard(vectors: Path, metadata: Path | None, rows: int | None) -> Shard:
    """Raises `InputError` unless the array is (rows, d) of floats and whole."""
    try:
        with vectors.open("rb") as file:
            np.lib.format.read_magic(file)
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
            offset = file.tell()
    except (OSError, ValueError) as error:
        raise InputError(f"open_store: {str(vectors)!r} is no array ({error}); get a whole copy of it") from None
    whole = offset + int(np.prod(shape)) * dtype.itemsize
    if len(shape) != 2 or fortran or dtype.kind != "f" or vectors.stat().st_size != whole:
        raise InputError(f"open_store: expected whole rows of floats in {str(vectors)!r}, got {dtype} {shape}")
    if rows is not None and rows != shape[0]:
        raise InputError(
            f"open_store: expected {rows} vectors in {vectors.name}, one per row of metadata, got {shape[0]}"
        )
    return Shard(vectors, metadata, *shape, dtype, offset)


def _looks_normalized(shards: Sequence[Shard]) -> bool:
    first = np.asarray(shards[0].map(0, 256), dtype=np.float64)
    return bool(np.all(np.abs(np.linalg.norm(first, axis=1) - 1) < 5e-3))


def _rows_of(metadata: Path | None) -> int | None:
    import pyarrow.parquet

    return None if metadata is None else pyarrow.parquet.read_metadata(metadata).num_rows


def _read_schema(path: Path | None) -> pyarrow.Schema:
    import pyarrow.parquet

    return pyarrow.schema([]) if path is None else pyarrow.parquet.read_schema(path).remove_metadata()


def _read_table(path: Path | None, columns: tuple[str, ...] | None) -> pyarrow.Table:
    import pyarrow

    return pyarrow.table({}) if path is None else _read_parquet(path, path.stat().st_mtime_ns, columns)


@lru_cache(maxsize=8)
def _read_parquet(path: Path, changed: int, columns: tuple[str, ...] | None) -> pyarrow.Table:
    import pyarrow.parquet

    if columns is None:
        return pyarrow.parquet.read_table(path).replace_schema_metadata(None)
    file = pyarrow.parquet.ParquetFile(path)
    table = file.read([name for name in columns if name in file.schema_arrow.names])
    absent = pyarrow.nulls(file.metadata.num_rows)
    return pyarrow.table({name: table[name] if name in table.column_names else absent for name in columns})


def _name_column(columns: Sequence[str], modality: str) -> str | None:
    wanted = ("caption", "image_path") if modality == "text" else ("image_path", "caption")
    return next((name for name in wanted if name in columns), None)


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
