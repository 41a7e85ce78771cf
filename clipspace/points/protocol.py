"""`Points`: the protocol that `Embeddings` in memory and a `Store` on disk both fulfil."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from clipspace.points.embeddings import Embeddings
    from clipspace.points.stamps import Stamp

BLOCK_ROWS = 4096
"""Number of rows in a block: enough for a matrix product to run at full speed, few enough to stay near the cache."""
PART_ROWS = 16 * BLOCK_ROWS
"""Number of rows in a part: enough that merging parts costs nothing, few enough to be spread over many workers."""


@runtime_checkable
class Vectors(Protocol):
    """Rows of one dimension that are read in blocks: points, or a part of them."""

    @property
    def dim(self) -> int: ...

    def __len__(self) -> int: ...

    def blocks(self, rows: int = BLOCK_ROWS) -> Iterator[np.ndarray]:
        """All rows in order, at most ``rows`` at a time, never copied and in the type that they have."""


class Points(Vectors, Protocol):
    """Points of one embedding space, with their names and columns, in memory or on disk."""

    @property
    def stamp(self) -> Stamp | None:
        """Stamp of the space; None when nothing is known of it."""

    @property
    def modality(self) -> str: ...

    @property
    def names(self) -> Sequence[str]: ...

    @property
    def columns(self) -> Mapping[str, Sequence]:
        """Values of each row by the name of their column, the names of the rows aside."""

    @property
    def hash(self) -> str | None:
        """Digest of the files that hold the points; None for points in memory."""

    def parts(self, rows: int = PART_ROWS) -> Iterator[Vectors]:
        """All rows in order, as parts of at most ``rows``, each of which a worker can read by itself."""

    def __getitem__(self, rows: int | slice | Sequence[int] | np.ndarray) -> Embeddings:
        """The rows chosen by an integer, slice, index list or boolean mask."""
