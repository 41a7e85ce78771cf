"""Rows in blocks: one way to read an array, `Embeddings` or a store that is larger than memory."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from clipspace.errors import InputError, SpaceMismatchError
from clipspace.points import sphere
from clipspace.points.embeddings import Embeddings, Stamp, check_same_space
from clipspace.sequences import as_array

ROWS = 4096
"""Rows a block: large enough for a matrix product to run at full speed, small enough to stay near the cache."""
PART_ROWS = 16 * ROWS
"""Rows a part: large enough that merging parts costs nothing, small enough to be spread over many workers."""


def shape(points: Any) -> tuple[int, int]:
    """``(n, d)`` of an array, `Embeddings` or a store (whatever has a length and ``blocks(rows=…)``)."""
    if isinstance(points, Embeddings):
        return points.vectors.shape
    if hasattr(points, "blocks"):
        stamp = stamp_of(points)
        d = stamp.dim if stamp else next(iter(points.blocks(rows=1))).shape[1]
        return len(points), d
    array = as_array(points, "vectors")
    if array.ndim != 2 or not np.issubdtype(array.dtype, np.number) or np.iscomplexobj(array):
        raise InputError(f"expected real vectors of shape (n, d), got {array.dtype} {array.shape}")
    return array.shape


def carries_stamp(points: Any) -> bool:
    """Whether ``points`` are `Embeddings` or a store, which say what space they are of; an array does not."""
    return isinstance(points, Embeddings) or hasattr(points, "blocks")


def stamp_of(points: Any) -> Stamp | None:
    """The stamp that `Embeddings` or a store carries; None for an array."""
    return points.stamp if isinstance(points, Embeddings) else getattr(points, "stamp", None)


def embeddings_of(points: Any, doing: str) -> Embeddings:
    """`Embeddings` as they are, or all rows of a store, as stored. Raises `InputError` for anything else."""
    _check_carries(points, doing)
    return points if isinstance(points, Embeddings) else points[:]


def check_one_space(points: Any, other: Any, doing: str) -> None:
    """Raise unless both are `Embeddings` or stores, and of one stamp, or both of none."""
    for found in (points, other):
        _check_carries(found, doing)
    check_same_space(stamp_of(points), stamp_of(other), doing)


def check_fits(points: Any, d: int, stamp: Stamp | None, doing: str) -> None:
    """Raise unless ``points`` have ``d`` dimensions and, where they can carry a stamp, ``stamp``: none where that is None.

    An array cannot carry one: that it is of this space is the word of whoever hands it over.
    """
    width = shape(points)[1]
    if width != d:
        raise InputError(f"{doing}: expected {d} dimensions, got {width}")
    if not carries_stamp(points):
        return
    if stamp is None and stamp_of(points) is not None:
        raise SpaceMismatchError(
            f"{doing}: expected points without a stamp, as those that this was made from, got points of "
            f"{stamp_of(points)}; make it from Embeddings(vectors, stamp), or hand over an array (points.vectors), where "
            "you know that all are of one space"
        )
    check_same_space(stamp, stamp_of(points), doing)


def blocks(points: Any, *, rows: int = ROWS) -> Iterator[np.ndarray]:
    """The rows of ``points`` in order, at most ``rows`` at a time, never copied and in the type they have.

    Pages of a read-only memory map are given back once read, so a pass over a large file does not fill memory.
    """
    if hasattr(points, "blocks") and not isinstance(points, Embeddings):
        yield from points.blocks(rows=rows)
        return
    array = as_array(points.vectors if isinstance(points, Embeddings) else points, "vectors")
    for start in range(0, len(array), rows):
        yield array[start : start + rows]
        _give_back(array)


def parts(points: Any, *, rows: int = PART_ROWS) -> Iterator[tuple[int, Any]]:
    """(first row, points) of runs of at most ``rows`` rows, in order: what a worker reads by itself.

    Those of a store are its files, those of an array its rows. Blocks are the same as those of the whole.
    """
    if hasattr(points, "parts"):
        runs = points.parts(rows)
    elif hasattr(points, "blocks") and not isinstance(points, Embeddings):
        runs = [points]
    else:
        array = as_array(points.vectors if isinstance(points, Embeddings) else points, "vectors")
        runs = (array[start : start + rows] for start in range(0, len(array), rows))
    start = 0
    for run in runs:
        yield start, run
        start += len(run)


def float32_blocks(points: Any, *, unit: bool = False, rows: int = ROWS, start: int = 0) -> Iterator[np.ndarray]:
    """`blocks` as new float32 arrays, each row finite and, with ``unit``, of norm 1.

    Raises `InputError` that names the first row, counted from ``start``, that is not finite or, with ``unit``, zero.
    """
    for block in blocks(points, rows=rows):
        yield _ready(block, range(start, start + len(block)), unit)
        start += len(block)


def unit_blocks(points: Any, *, rows: int = ROWS) -> Iterator[np.ndarray]:
    """`blocks` as directions, float64. Raises `InputError` that names the first row that is not finite, or zero."""
    start = 0
    for block in blocks(points, rows=rows):
        yield _directions(block, range(start, start + len(block)))
        start += len(block)


def unit_rows(points: Any, rows: np.ndarray, doing: str) -> np.ndarray:
    """Directions of some ``rows`` of `Embeddings` or a store, float64; only they are read. Raises as `unit_blocks`."""
    _check_carries(points, doing)
    return _directions(points[rows].vectors, rows)


def gather(points: Any, rows: np.ndarray, *, unit: bool = False) -> np.ndarray:
    """The ``rows`` (sorted, without repeats) of ``points`` as `float32_blocks` gives them, in one pass."""
    out = np.empty((len(rows), shape(points)[1]), np.float32)
    if not len(rows):
        return out
    start = 0
    for block in blocks(points):
        low, high = np.searchsorted(rows, [start, start + len(block)])
        out[low:high] = _ready(block[rows[low:high] - start], rows[low:high], unit)
        start += len(block)
    return out


def check_lengths(lengths: np.ndarray, rows: Sequence[int], *, unit: bool) -> None:
    """Raise `InputError` for a norm that is not finite or, with ``unit``, zero; ``rows`` are the row numbers."""
    bad = ~np.isfinite(lengths) | ((lengths == 0) if unit else False)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        wanted = "finite vectors of non-zero norm" if unit else "finite vectors"
        raise InputError(
            f"expected {wanted}, got NaN, inf or zero (norm {lengths[first]}) at row {rows[first]} "
            f"({int(bad.sum())} bad in this block); drop these rows first"
        )


def _ready(block: np.ndarray, rows: Sequence[int], unit: bool) -> np.ndarray:
    ready = np.array(block, dtype=np.float32, order="C")
    lengths = np.sqrt(np.einsum("nd,nd->n", ready, ready))
    check_lengths(lengths, rows, unit=unit)
    if unit:
        ready /= lengths[:, None]
    return ready


def _check_carries(points: Any, doing: str) -> None:
    if not carries_stamp(points):
        raise InputError(
            f"{doing}: expected Embeddings or a store, got {type(points).__name__}; wrap arrays in Embeddings(vectors)"
        )


def _directions(block: np.ndarray, rows: Sequence[int]) -> np.ndarray:
    lengths = sphere.norm(block)
    check_lengths(lengths, rows, unit=True)
    return block / lengths[:, None]


def _give_back(array: np.ndarray) -> None:
    # Only a shared map may drop its pages: those of a private one ("c") can hold changes.
    mapped = getattr(array, "_mmap", None)
    if mapped is not None and getattr(array, "mode", None) == "r" and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)
