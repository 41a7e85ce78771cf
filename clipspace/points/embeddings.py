"""`Embeddings`: points of one embedding space, their names and columns, and the stamp of that space."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

import numpy as np

from clipspace.errors import InputError, SpaceMismatchError, check_count
from clipspace.points import sphere
from clipspace.points.protocol import BLOCK_ROWS, PART_ROWS
from clipspace.points.stamps import Stamp, check_same_space
from clipspace.sequences import as_array, in_order

__all__ = ["Embeddings", "Modality", "RowNumbers", "Stamp", "check_same_space", "concatenate", "row_numbers"]

Modality = Literal["image", "text", "prior"]


@dataclass(frozen=True)
class RowNumbers(Sequence):
    """The names of ``n`` rows that have none: their numbers as text, each made when it is asked for."""

    n: int

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, row: int | slice) -> str | tuple[str, ...]:
        numbers = range(self.n)[row]
        return tuple(map(str, numbers)) if isinstance(row, slice) else str(numbers)


@dataclass(frozen=True, eq=False)
class Embeddings:
    """``n`` points of an embedding space, exactly as the encoder computed them (not normalised).

    Parameters
    ----------
    vectors : float array of shape (n, d); may be a memory map, and is never copied or changed
    stamp : Stamp of the space, or None when it is not known which model made the vectors
    modality : "image", "text" or "prior" (an image embedding a prior drew from a text)
    names : n strings; row numbers when omitted
    columns : aligned columns, ``{name: sequence of n values}``; value i is that of row i, whatever index a pandas
        column carries

    Slicing keeps columns aligned:

    >>> points = Embeddings(np.eye(3), names=["a", "b", "c"])
    >>> points[1:].names
    ('b', 'c')
    """

    vectors: np.ndarray
    stamp: Stamp | None = None
    modality: Modality = "image"
    names: Sequence[str] | None = None
    columns: Mapping[str, Sequence] = field(default_factory=dict)

    def __post_init__(self) -> None:
        vectors = as_array(self.vectors, "Embeddings")
        if vectors.ndim != 2 or not np.issubdtype(vectors.dtype, np.floating):
            raise InputError(f"Embeddings: expected a float array of shape (n, d), got {vectors.dtype} {vectors.shape}")
        n, d = vectors.shape
        if self.stamp is not None and self.stamp.dim != d:
            raise SpaceMismatchError(f"Embeddings: expected {self.stamp.dim} dimensions as in {self.stamp}, got {d}")
        names = RowNumbers(n)[:] if self.names is None else self.names
        names = names if isinstance(names, RowNumbers) else tuple(in_order(names, "names"))
        pairs = list(self.columns.items())
        columns = {name: in_order(values, f"column {name!r}") for name, values in pairs}
        if len(columns) < len(pairs):  # a data frame may have two of one name
            names_given = [name for name, _ in pairs]
            twice = sorted({str(name) for name in columns if names_given.count(name) > 1})
            raise InputError(f"Embeddings: expected columns of different names, got {twice} twice; rename them")
        for name, column in {"names": names, **columns}.items():
            if len(column) != n:
                raise InputError(f"Embeddings: expected {n} values in {name!r}, one per vector, got {len(column)}")
        view = vectors.view()
        view.flags.writeable = False
        object.__setattr__(self, "vectors", view)
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "columns", MappingProxyType(columns))

    def __len__(self) -> int:
        return len(self.vectors)

    def __iter__(self) -> Iterator[Embeddings]:
        return (self[row] for row in range(len(self)))

    def __getitem__(self, rows: int | slice | Sequence[int] | np.ndarray) -> Embeddings:
        """The rows chosen by an integer, slice, index list or boolean mask, still as `Embeddings`."""
        if isinstance(rows, slice) and rows == slice(None):
            return self
        numbers = row_numbers(rows, len(self), "Embeddings")
        vectors = self.vectors[rows] if isinstance(rows, slice) else self.vectors[numbers]
        names = tuple(self.names[i] for i in numbers)
        columns = {name: [column[i] for i in numbers] for name, column in self.columns.items()}
        return replace(self, vectors=vectors, names=names, columns=columns)

    def __reduce__(self) -> tuple:
        return Embeddings, (self.vectors, self.stamp, self.modality, self.names, dict(self.columns))

    def __repr__(self) -> str:
        return f"Embeddings({len(self)} x {self.dim}, {self.modality}, {self.stamp or 'no stamp'})"

    @property
    def dim(self) -> int:
        return self.vectors.shape[1]

    @property
    def norm(self) -> np.ndarray:
        """Norms of the raw vectors, float64 ``(n,)``."""
        return sphere.norm(self.vectors)

    @property
    def unit(self) -> np.ndarray:
        """Directions, float64 ``(n, d)``. Raises `InputError` on zero or non-finite rows."""
        return sphere.unit(self.vectors)

    @property
    def hash(self) -> None:
        """None: no file holds these points. That of a store is its digest."""

    def blocks(self, rows: int = BLOCK_ROWS) -> Iterator[np.ndarray]:
        """The vectors in order, at most ``rows`` at a time, never copied and in the type that they have.

        Pages of a read-only memory map are given back once read, so a pass over a large file does not fill memory.
        """
        check_count("blocks", rows)
        for start in range(0, len(self), rows):
            yield self.vectors[start : start + rows]
            _give_back(self.vectors)

    def parts(self, rows: int = PART_ROWS) -> Iterator[Embeddings]:
        """The vectors in order, at most ``rows`` at a time, as `Embeddings` without names and columns."""
        check_count("parts", rows)
        for start in range(0, len(self), rows):
            vectors = self.vectors[start : start + rows]
            yield Embeddings(vectors, self.stamp, self.modality, RowNumbers(len(vectors)))

    def with_vectors(self, vectors: np.ndarray) -> Embeddings:
        """The same rows, names and columns at other places of the same space."""
        return replace(self, vectors=as_array(vectors, "Embeddings").astype(np.float32, copy=False))


def concatenate(parts: Sequence[Embeddings]) -> Embeddings:
    """All rows of ``parts``, in order. Columns that every part has are kept.

    Embeddings drawn by a prior count as images when joined with images. Raises `SpaceMismatchError` if the parts have
    different stamps, and `InputError` for images joined with texts, which occupy different regions of one space.
    """
    first, *others = parts
    for part in others:
        check_same_space(first.stamp, part.stamp, "concatenate")
    kinds = {part.modality for part in parts}
    if len(kinds) > 1 and "text" in kinds:
        raise InputError(f"concatenate: expected points of one modality, got {sorted(kinds)}; keep texts apart")
    shared = [c for c in first.columns if all(c in part.columns for part in others)]
    return replace(
        first,
        modality=first.modality if len(kinds) == 1 else "image",
        vectors=np.concatenate([part.vectors for part in parts]),
        names=[name for part in parts for name in part.names],
        columns={c: [v for part in parts for v in part.columns[c]] for c in shared},
    )


def row_numbers(rows: int | slice | Sequence[int] | np.ndarray, n: int, name: str) -> np.ndarray:
    """The numbers, int64, of the rows that an integer, slice, index list or boolean mask chooses out of ``n``.

    Raises `InputError` for anything else, and for rows beyond the last.

    >>> row_numbers([-1, 0], 3, "points")
    array([2, 0])
    """
    if isinstance(rows, slice):
        return np.arange(*rows.indices(n))
    if isinstance(rows, (bool, np.bool_)):
        raise InputError(
            f"{name}: expected rows, such as one truth value for each, got {rows}; columns may be lists, so compare "
            'an array: np.array(points.columns["label"]) == "cat"'
        )
    if isinstance(rows, str):
        raise InputError(f"{name}: expected row numbers, got {rows!r}; a column is points.columns[{rows!r}]")
    numbers = np.asarray(rows)
    if numbers.dtype == bool:
        if numbers.shape != (n,):
            raise InputError(f"{name}: expected a mask of {n} values, got {numbers.shape}")
        return np.flatnonzero(numbers)
    numbers = np.atleast_1d(numbers.astype(np.int64) if numbers.size == 0 else numbers)
    are_integers = numbers.ndim == 1 and np.issubdtype(numbers.dtype, np.integer)
    if not are_integers or ((numbers < -n) | (numbers >= n)).any():
        raise InputError(f"{name}: expected row numbers below {n}, got {rows!r}")
    return numbers.astype(np.int64) % n if n else numbers


def _give_back(array: np.ndarray) -> None:
    # Only a shared map may drop its pages: those of a private one ("c") can hold changes.
    mapped = getattr(array, "_mmap", None)
    if mapped is not None and getattr(array, "mode", None) == "r" and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)
