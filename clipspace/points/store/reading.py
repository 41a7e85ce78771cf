"""`Store`: embeddings on disk, read when asked; ours, and those that clip-retrieval wrote."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clipspace.errors import CapabilityError, InputError, check_count, shortened
from clipspace.points.embeddings import Embeddings, Stamp, row_numbers
from clipspace.points.lazy_columns import LazyColumns
from clipspace.points.protocol import BLOCK_ROWS, PART_ROWS
from clipspace.points.store import layout, metadata
from clipspace.points.store.runs import Run, Shard

if TYPE_CHECKING:
    import pyarrow

NO_STAMP = "it has no stamp, so it is not compared with other embeddings: "
NO_NORMS = "it holds directions without their norms, so decoders that want raw vectors cannot take it: "
HALF = "it holds float16: cosines are good to about 0.001, exact reconstruction is not possible"
"""What cannot be done with points that lack something; what to do follows the first two."""


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
        norm = layout.NORMS[self.modality]
        return not self.normalized or (norm in self._schema.names and not self.metadata([norm])[norm].null_count)

    @property
    def limits(self) -> tuple[str, ...]:
        """What cannot be done with this store, and what to do about it."""
        limits = []
        if self.stamp is None:
            limits.append(
                NO_STAMP
                + "open it with the stamp of the space that you know it comes from, open_store(path, stamp=space.stamp)"
            )
        if not self.raw:
            limits.append(NO_NORMS + "encode the images again, or choose a length yourself (with_vectors)")
        if self.dtype == np.float16:
            limits.append(HALF)
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
        column = metadata.name_column(self._schema.names, self.modality)
        if column is None:
            return list(map(str, range(len(self))))
        values = self.metadata([column])[column].to_pylist()  # others' stores have whole numbers for paths, too
        return [name if name is None or isinstance(name, str) else str(name) for name in values]

    @cached_property
    def places(self) -> list[str | None] | None:
        """Where each row stands in what was encoded, for `clipspace.sources.read_named`; None where it is not known."""
        return self.metadata([layout.PLACE])[layout.PLACE].to_pylist() if layout.PLACE in self._schema.names else None

    @cached_property
    def columns(self) -> LazyColumns:
        """Values of each row by the name of their column, as of ``store[:]``; each is read when it is asked for."""
        names = self.schema.names
        name_column = metadata.name_column(names, self.modality)
        return LazyColumns(
            [name for name in names if name != name_column], lambda name: self.metadata([name])[name].to_pylist()
        )

    @property
    def schema(self) -> pyarrow.Schema:
        """Names and types of the metadata columns."""
        return self._schema

    def metadata(self, columns: Sequence[str] | None = None) -> pyarrow.Table:
        """The metadata of all rows, in row order; ``columns`` reads only those."""
        unknown = set(columns or ()) - set(self._schema.names)
        if unknown:
            raise InputError(
                f"store: expected columns among {shortened(self._schema.names)}, got {shortened(sorted(unknown))}"
            )
        return metadata.concatenate(
            [metadata.read_table(s.metadata, tuple(columns) if columns else None) for s in self.shards]
        )

    def blocks(self, rows: int = BLOCK_ROWS) -> Iterator[np.ndarray]:
        """All vectors in row order, as stored, in blocks of at most ``rows``: read-only memory maps.

        A block never spans two shards, and is unmapped when it is let go, so memory stays bounded.
        """
        check_count("blocks", rows)
        yield from Run(self.shards, self.stamp).blocks(rows)

    def parts(self, rows: int = PART_ROWS) -> Iterator[Run]:
        """All vectors in row order, as runs of at most ``rows``, of as many whole shards as there is room for."""
        run: list[Shard] = []
        for piece in (piece for shard in self.shards for piece in shard.pieces(rows)):
            if run and sum(shard.rows for shard in run) + piece.rows > rows:
                yield Run(tuple(run), self.stamp)
                run = []
            run.append(piece)
        yield Run(tuple(run), self.stamp)

    def __getitem__(self, rows: int | slice | Sequence[int] | np.ndarray) -> Embeddings:
        """The rows chosen by an integer, slice, index list or boolean mask, as stored, with their columns.

        A run of rows within one shard is a memory map; everything else is copied.
        """
        return self._embeddings(row_numbers(rows, len(self), "store"))

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
            for name, recorded in record["files"].items():
                if layout.facts_of(self.path / name) != recorded:
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
        return metadata.concatenate(
            [metadata.read_schema(shard.metadata).empty_table() for shard in self.shards]
        ).schema

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
        table = metadata.concatenate([metadata.read_table(self.shards[home].metadata) for home in touched])
        before = np.cumsum([0, *(self.shards[home].rows for home in touched)])[np.searchsorted(touched, homes)]
        table = table.take(before + rows - self._starts[homes]) if table.num_columns else table
        columns = {name: table[name].to_pylist() for name in table.column_names}
        name = metadata.name_column(table.column_names, self.modality)
        names = columns.pop(name) if name else list(map(str, rows))
        return Embeddings(vectors, self.stamp, self.modality, names, columns)
