"""Words on a map: the points nearest to each word of a vocabulary, and the words that tell its regions from the rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clipspace.errors import InputError
from clipspace.points.arrays import check_one_space, float32_blocks
from clipspace.points.protocol import Points

NEAREST = 200
"""Largest number of points found for a word."""
SIDES = (4, 8, 16)
"""Numbers of regions across and down a map, one for each level of zoom; each divides the next."""
_FEWEST = 20  # points of a region that has a word


@dataclass(frozen=True)
class Meaning:
    """What a page needs to search for words by meaning.

    Parameters
    ----------
    words : w words
    rows, cosines : the nearest points (w, k), nearest first, and their cosines with the word
    regions : (level, x, y, word number) of each labelled region
    """

    words: list[str]
    rows: np.ndarray
    cosines: np.ndarray
    regions: list[tuple[int, float, float, int]]


def meaning(coordinates: np.ndarray, vectors: Points, words: Points) -> Meaning:
    """`Meaning` of points with ``coordinates`` (n, 2) and ``vectors`` (n, d) for ``words``, texts of the same space.

    A region's word is the one whose cosines lie furthest above those of all points, in standard deviations of all points;
    a region of m points has none where that is within twice the largest of w means of m chance draws, 2 sqrt(2 ln(w) / m).
    One pass over the vectors. Raises `InputError` for other numbers of points, `SpaceMismatchError` for another space.
    """
    check_one_space(vectors, words, "explorer")
    if len(vectors) != len(coordinates):
        raise InputError(f"explorer: expected {len(coordinates)} vectors, one per point, got {len(vectors)}")
    directions = np.concatenate(list(float32_blocks(words, unit=True)))
    regions = _finest(coordinates)
    near, sums = _Nearest(len(words), min(NEAREST, len(vectors))), np.zeros((SIDES[-1] ** 2, len(words)))
    squares, start = np.zeros(len(words)), 0
    for block in float32_blocks(vectors, unit=True):
        cosines = block @ directions.T
        near.add(cosines, start)
        sums += _by_region(regions[start : start + len(block)], cosines)
        squares += (cosines.astype(np.float64) ** 2).sum(axis=0)
        start += len(block)
    labelled = _labelled(coordinates, regions, sums, squares)
    return Meaning([str(name) for name in words.names], near.rows, near.cosines, labelled)


class _Nearest:
    """The k points of highest cosine with each word, so far."""

    def __init__(self, words: int, k: int) -> None:
        self.rows, self.cosines = np.full((words, k), -1, np.int32), np.full((words, k), -np.inf, np.float32)

    def add(self, cosines: np.ndarray, start: int) -> None:
        k = self.rows.shape[1]
        scores = np.concatenate([self.cosines, cosines.T], axis=1)
        numbers = np.arange(start, start + len(cosines), dtype=np.int32)
        rows = np.concatenate([self.rows, np.broadcast_to(numbers, (len(scores), len(numbers)))], axis=1)
        best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        best = np.take_along_axis(best, np.argsort(-np.take_along_axis(scores, best, 1), axis=1, kind="stable"), 1)
        self.rows, self.cosines = np.take_along_axis(rows, best, 1), np.take_along_axis(scores, best, 1)


def _finest(coordinates: np.ndarray) -> np.ndarray:
    """The region of each point in the finest grid, ``row * side + column``."""
    side, low = SIDES[-1], coordinates.min(axis=0)
    extent = max(float((coordinates.max(axis=0) - low).max()), np.finfo(np.float32).tiny)
    column, row = np.minimum((coordinates - low) / extent * side, side - 1).astype(np.int64).T
    return row * side + column


def _by_region(regions: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sums of the rows of ``values`` by region."""
    from scipy.sparse import csr_array

    members = csr_array((np.ones(len(regions)), (regions, np.arange(len(regions)))), (SIDES[-1] ** 2, len(regions)))
    return members @ values.astype(np.float64)


def _labelled(
    coordinates: np.ndarray, finest: np.ndarray, sums: np.ndarray, squares: np.ndarray
) -> list[tuple[int, float, float, int]]:
    """The word and the middle of the regions of every level; of regions with the same word, the one it is truest of."""
    n, words = len(coordinates), sums.shape[1]
    middle = sums.sum(axis=0) / n
    spread = np.sqrt(np.maximum(squares / n - middle**2, 1e-12))
    found = []
    for level, side in enumerate(SIDES):
        coarse, totals = _coarser(finest, side), np.zeros((side**2, words))
        np.add.at(totals, _coarser(np.arange(SIDES[-1] ** 2), side), sums)
        counts = np.bincount(coarse, minlength=side**2)
        best: dict[int, tuple[float, int]] = {}
        for region in np.flatnonzero(counts >= _FEWEST):
            above = (totals[region] / counts[region] - middle) / spread
            word = int(above.argmax())
            if above[word] > max(2 * np.sqrt(2 * np.log(words) / counts[region]), best.get(word, (0, 0))[0]):
                best[word] = (float(above[word]), int(region))
        for word, (_, region) in best.items():
            x, y = coordinates[coarse == region].mean(axis=0)
            found.append((level, float(x), float(y), word))
    return found


def _coarser(finest: np.ndarray, side: int) -> np.ndarray:
    """The region, of ``side`` across, that a region of the finest grid is part of."""
    row, column = np.divmod(finest, SIDES[-1])
    return row * side // SIDES[-1] * side + column * side // SIDES[-1]
