"""Writing of one shard of a store, which appears whole or not at all."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clipspace.errors import InputError
from clipspace.files import make_folder, put, remove
from clipspace.points.embeddings import Embeddings
from clipspace.points.store import layout
from clipspace.points.store.locking import alone
from clipspace.sequences import is_missing

if TYPE_CHECKING:
    import pyarrow


class ShardWriter:
    """One shard being written. Vectors go to disk as they come; nothing counts before `close`.

    Raises `InputError` while another process writes the same shard, whatever share of the work it calls its own.
    """

    def __init__(self, path: Path, shard: int, modalities: Sequence[str], *, dim: int, dtype: str) -> None:
        self.path, self.shard, self.dim, self.dtype = path, shard, dim, dtype
        self.rows, self.columns, self.rejected, self.ignored = 0, {}, [], 0
        self._parts: dict[str, Any] = {}
        make_folder(path)
        self._lock = ExitStack()
        self._lock.enter_context(alone(path / f".shard-{shard:04d}"))  # what a killed run left is taken over
        try:
            for modality in modalities:
                target = path / layout.vectors_file(modality, shard)
                make_folder(target.parent)
                part = target.with_name(f".{target.name}.part")
                self._parts[modality] = (part.open("wb"), part, target)
                self._write_header(modality)
        except BaseException:
            self.abort()
            raise

    def add(self, vectors: Mapping[str, np.ndarray], columns: Mapping[str, Sequence]) -> None:
        """Rows as they are stored, one array for each modality, and their columns (a missing one is null)."""
        n = len(next(iter(vectors.values())))
        for modality, array in vectors.items():
            self._parts[modality][0].write(np.ascontiguousarray(array, dtype=self.dtype).data)
        for name in self.columns.keys() | columns.keys():
            before = self.columns.setdefault(name, [None] * self.rows)
            before.extend(columns.get(name, [None] * n))
        self.rows += n

    def reject(self, name: str, reason: str, detail: str, place: str | None = None) -> None:
        """Record a row that is not stored; ``place`` tells it from others of its name."""
        detail = re.sub(r" at 0x[0-9a-f]+", "", detail)[:500]  # an address would make every run's bytes its own
        self.rejected.append({"name": name, "reason": reason, "detail": detail, layout.PLACE: place})

    def close(self) -> None:
        """Put every file in its place, the record that makes the shard count last."""
        ready = {}
        for modality, (file, part, target) in self._parts.items():
            file.seek(0)
            self._write_header(modality)
            file.close()
            if self.rows:
                ready[target] = part
            else:
                part.unlink()
        ready |= self._tables()
        remove(self.path / layout.record_file(self.shard))  # of an earlier try: these files are not those it tells of
        for target, part in ready.items():
            put(part, target)
        if not self.rejected:
            remove(self.path / layout.rejected_file(self.shard))
        counts = {"rows": self.rows, "rejected": len(self.rejected), "ignored": self.ignored}
        write_record(self.path, self.shard, [target.relative_to(self.path).as_posix() for target in ready], **counts)
        self._lock.close()

    def _tables(self) -> dict[Path, Path]:
        """The tables of the rows and of those rejected, written beside their places."""
        import pyarrow
        import pyarrow.parquet

        tables = {}
        if self.rows:
            ordered = sorted(self.columns, key=lambda name: (name not in layout.RESERVED, name))
            tables[layout.metadata_file] = pyarrow.table({name: _array(self.columns[name]) for name in ordered})
        if self.rejected:
            texts = pyarrow.schema([(name, pyarrow.string()) for name in self.rejected[0]])
            tables[layout.rejected_file] = pyarrow.Table.from_pylist(self.rejected, texts)
        places = {self.path / file(self.shard): table for file, table in tables.items()}
        write = pyarrow.parquet.write_table
        return {place: layout.write_part(place, partial(write, table)) for place, table in places.items()}

    def abort(self) -> None:
        """Remove all partial files, even where buffered data cannot be written (a full disk)."""
        for file, _, _ in self._parts.values():
            with suppress(OSError):
                file.close()
        tables = [layout.metadata_file(self.shard), layout.rejected_file(self.shard), layout.record_file(self.shard)]
        partial_tables = [(self.path / name).with_name(f".{Path(name).name}.part") for name in tables]
        for part in [*(part for _, part, _ in self._parts.values()), *partial_tables]:
            with suppress(OSError):
                part.unlink()
        self._lock.close()

    def _write_header(self, modality: str) -> None:
        # NumPy pads the header so that the first axis can grow in place
        file = self._parts[modality][0]
        header = {"descr": np.dtype(self.dtype).str, "fortran_order": False, "shape": (self.rows, self.dim)}
        np.lib.format.write_array_header_1_0(file, header)


def as_stored(vectors: np.ndarray, *, dtype: str, normalized: bool) -> tuple[np.ndarray, np.ndarray]:
    """Vectors as the store keeps them, and their norms as the encoder gave them, float32 ``(n,)``."""
    norms = np.linalg.norm(np.asarray(vectors, dtype=np.float64), axis=1)
    if normalized:
        vectors = vectors / norms[:, None]
    with np.errstate(over="ignore"):
        return vectors.astype(dtype), norms.astype(np.float32)


def write_embeddings(path: Path, shard: int, part: Embeddings, header: Mapping[str, Any]) -> None:
    """One shard of ``part``, stored as ``header`` says; rows of a normalised store get their lengths back."""
    raw = _lengthened(part)
    vectors, norms = as_stored(raw, dtype=header["dtype"], normalized=header["normalized"])
    if not np.isfinite(vectors).all():
        raise InputError(
            f"store: expected finite vectors that fit {header['dtype']}, got others; drop these rows first"
        )
    write_rows(path, shard, part, vectors, norms, header["dtype"])


def _lengthened(part: Embeddings) -> np.ndarray:
    """The vectors as the encoder gave them: unit rows that bring their lengths as a column are scaled by it."""
    stored = part.columns.get(layout.NORMS[part.modality])
    if stored is None or not np.allclose(np.linalg.norm(part.vectors.astype(np.float64), axis=1), 1, atol=5e-3):
        return part.vectors
    lengths = np.asarray(stored, dtype=np.float32)
    if not np.isfinite(lengths).all():
        return part.vectors
    return part.unit * lengths[:, None]


def write_rows(
    path: Path, shard: int, part: Embeddings, vectors: np.ndarray, norms: np.ndarray | None, dtype: str
) -> None:
    """One shard with the names and columns of ``part`` and with ``vectors`` as they are to be stored."""
    name, norm = ("caption" if part.modality == "text" else "image_path"), layout.NORMS[part.modality]
    columns = {**part.columns, name: list(part.names)}
    columns.pop(norm, None)
    if norms is not None:
        columns[norm] = norms
    writer = ShardWriter(path, shard, [part.modality], dim=part.dim, dtype=dtype)
    try:
        writer.add({part.modality: vectors}, columns)
        writer.close()
    except BaseException:
        writer.abort()
        raise


def copy_shard(source: Path, shard: int, output: Path, target: int) -> None:
    """Shard ``shard`` of the store at ``source`` as shard ``target`` of the one at ``output``."""
    record = layout.read_json(source / layout.record_file(shard))
    copied = []
    for name in record["files"]:
        old = Path(name)
        new = f"{old.parent}/{old.stem.rpartition('_')[0]}_{target:04d}{old.suffix}"
        with (source / name).open("rb") as content:
            layout.write_whole(output / new, partial(shutil.copyfileobj, content))
        copied.append(new)
    counts = {key: record.get(key, 0) for key in ("rows", "rejected", "ignored")}
    write_record(output, target, copied, **counts)


def write_record(path: Path, shard: int, files: Iterable[str], *, rows: int, rejected: int, ignored: int) -> None:
    """Write the record of a complete shard, with the number of files that gave no rows."""
    file_facts = {name: layout.facts_of(path / name) for name in files}
    record = {"rows": rows, "rejected": rejected, "ignored": ignored, "files": file_facts}
    layout.write_json(path / layout.record_file(shard), record)


def _array(values: Sequence) -> pyarrow.Array:
    """A column of whatever values: those that are of no one type become JSON text."""
    import pyarrow

    if isinstance(values[0], np.generic) and len(set(map(type, values))) == 1:
        return pyarrow.array(np.asarray(values))
    values = [value.item() if isinstance(value, np.generic) else value for value in values]
    try:
        return pyarrow.array(values)
    except (pyarrow.ArrowException, OverflowError, TypeError):
        return pyarrow.array([None if is_missing(value) else _text(value) for value in values])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=repr, ensure_ascii=False)
