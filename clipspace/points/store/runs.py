"""The vectors of a store as its files hold them: of one shard, or of a run of shards that a worker reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from clipspace.points.embeddings import Stamp
from clipspace.points.protocol import BLOCK_ROWS
from clipspace.reprs import brief


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

    def pieces(self, rows: int) -> Iterator[Shard]:
        """The shard as runs of at most ``rows`` rows, without metadata."""
        for start in range(0, self.rows, rows):
            offset = self.offset + start * self.dim * self.dtype.itemsize
            yield replace(self, metadata=None, rows=min(rows, self.rows - start), offset=offset)


@dataclass(frozen=True)
class Run:
    """Vectors of neighbouring shards, or of a piece of one: what a worker reads, anywhere the files are."""

    shards: tuple[Shard, ...]
    stamp: Stamp | None

    __repr__ = brief

    def __len__(self) -> int:
        return sum(shard.rows for shard in self.shards)

    @property
    def dim(self) -> int:
        return self.shards[0].dim

    def blocks(self, rows: int = BLOCK_ROWS) -> Iterator[np.ndarray]:
        for shard in self.shards:
            for start in range(0, shard.rows, rows):
                yield shard.map(start, start + rows)
