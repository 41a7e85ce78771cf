"""Conversion of arrays to `Points`, once at each public function, and of points to arrays in blocks or single rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from clipspace import progress
from clipspace.errors import InputError, SpaceMismatchError
from clipspace.points import sphere
from clipspace.points.embeddings import Embeddings, RowNumbers, Stamp, check_same_space
from clipspace.points.protocol import BLOCK_ROWS, PART_ROWS, Points, Vectors
from clipspace.sequences import as_array


def is_points(points: Any) -> bool:
    """Whether ``points`` are `Embeddings` or a store, which say what space they are of; an array does not."""
    return isinstance(points, Vectors)


def as_points(points: Any) -> Points:
    """`Embeddings` or a store as they are; an array (n, d) as `Embeddings` without a stamp, named by row numbers.

    Floats are not copied; integers become float64. Raises `InputError` for what is no array of real vectors.

    >>> as_points(np.eye(3)).names[2]
    '2'
    """
    if is_points(points):
        return points
    array = as_array(points, "vectors")
    if array.ndim != 2 or not np.issubdtype(array.dtype, np.number) or np.iscomplexobj(array):
        raise InputError(f"expected real vectors of shape (n, d), got {array.dtype} {array.shape}")
    floats = array if np.issubdtype(array.dtype, np.floating) else array.astype(np.float64)
    return Embeddings(floats, names=RowNumbers(len(array)))


def as_points_in(points: Any, dim: int, stamp: Stamp | None, doing: str, *, modality: str = "image") -> Points:
    """`as_points` of ``dim`` dimensions and of ``stamp``; an array is taken to be of that space, and of ``modality``.

    Raises `InputError` for another dimension, `SpaceMismatchError` for another stamp.
    """
    read = as_points(points)
    if read.dim != dim:
        raise InputError(f"{doing}: expected {dim} dimensions, got {read.dim}")
    if not is_points(points):
        return replace(read, stamp=stamp, modality=modality)
    if stamp is None and read.stamp is not None:
        raise SpaceMismatchError(
            f"{doing}: expected points without a stamp, as those that this was made from, got points of {read.stamp}; "
            "make it from Embeddings(vectors, stamp), or hand over an array (points.vectors), where you know that all "
            "are of one space"
        )
    check_same_space(stamp, read.stamp, doing)
    return read


def check_points(points: Any, doing: str) -> None:
    """Raise `InputError` for anything but `Embeddings` or a store."""
    if not is_points(points):
        raise InputError(
            f"{doing}: expected Embeddings or a store, got {type(points).__name__}; wrap arrays in Embeddings(vectors)"
        )


def embeddings_of(points: Any, doing: str) -> Embeddings:
    """`Embeddings` as they are, or all rows of a store, as stored. Raises `InputError` for anything else."""
    check_points(points, doing)
    return points[:]


def check_one_space(points: Any, other: Any, doing: str) -> None:
    """Raise unless both are `Embeddings` or stores, and of one stamp, or both of none."""
    for point_set in (points, other):
        check_points(point_set, doing)
    check_same_space(points.stamp, other.stamp, doing)


def parts(points: Points, *, rows: int = PART_ROWS) -> Iterator[tuple[int, Vectors]]:
    """The parts of ``points``, each with the number of its first row."""
    start = 0
    for part in points.parts(rows):
        yield start, part
        start += len(part)


def counted_blocks(points: Vectors, rows: int = BLOCK_ROWS) -> Iterator[np.ndarray]:
    """The blocks of ``points``, counted as they are read (`progress.task`)."""
    with progress.task("reading", len(points), "rows") as count:
        for block in points.blocks(rows):
            yield block
            count(len(block))


def float32_blocks(
    points: Vectors, *, unit: bool = False, rows: int = BLOCK_ROWS, start: int = 0
) -> Iterator[np.ndarray]:
    """Blocks as new float32 arrays, each row finite and, with ``unit``, of norm 1.

    Raises `InputError` that names the first row, counted from ``start``, that is not finite or, with ``unit``, zero.
    """
    for block in counted_blocks(points, rows):
        yield _float32(block, range(start, start + len(block)), unit)
        start += len(block)


def unit_blocks(points: Vectors, *, rows: int = BLOCK_ROWS) -> Iterator[np.ndarray]:
    """Blocks as directions, float64. Raises `InputError` that names the first row that is not finite, or zero."""
    start = 0
    for block in counted_blocks(points, rows):
        yield _directions(block, range(start, start + len(block)))
        start += len(block)


def unit_rows(points: Any, rows: np.ndarray, doing: str) -> np.ndarray:
    """Directions of some ``rows`` of `Embeddings` or a store, float64; only they are read. Raises as `unit_blocks`."""
    check_points(points, doing)
    return _directions(points[rows].vectors, rows)


def gather(points: Vectors, rows: np.ndarray, *, unit: bool = False) -> np.ndarray:
    """The ``rows`` (sorted, without repeats) of ``points`` as `float32_blocks` gives them, in one pass."""
    vectors = np.empty((len(rows), points.dim), np.float32)
    if not len(rows):
        return vectors
    start = 0
    for block in counted_blocks(points):
        low, high = np.searchsorted(rows, [start, start + len(block)])
        vectors[low:high] = _float32(block[rows[low:high] - start], rows[low:high], unit)
        start += len(block)
    return vectors


def check_finite(doing: str, *sets: np.ndarray) -> None:
    """Raise `InputError` for NaN or infinity in a set: compared, they look like an answer."""
    if not all(np.isfinite(x).all() for x in sets):
        raise InputError(f"{doing}: expected finite vectors, got NaN or infinity; drop those rows")


def check_lengths(lengths: np.ndarray, rows: Sequence[int], *, unit: bool) -> None:
    """Raise `InputError` for a norm that is not finite or, with ``unit``, zero; ``rows`` are the row numbers."""
    bad = ~np.isfinite(lengths) | ((lengths == 0) if unit else False)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        expectation = "finite vectors of non-zero norm" if unit else "finite vectors"
        raise InputError(
            f"expected {expectation}, got NaN, inf or zero (norm {lengths[first]}) at row {rows[first]} "
            f"({int(bad.sum())} bad in this block); drop these rows first"
        )


def _float32(block: np.ndarray, rows: Sequence[int], unit: bool) -> np.ndarray:
    copy = np.array(block, dtype=np.float32, order="C")
    lengths = np.sqrt(np.einsum("nd,nd->n", copy, copy))
    check_lengths(lengths, rows, unit=unit)
    if unit:
        copy /= lengths[:, None]
    return copy


def _directions(block: np.ndarray, rows: Sequence[int]) -> np.ndarray:
    lengths = sphere.norm(block)
    check_lengths(lengths, rows, unit=True)
    return block / lengths[:, None]
