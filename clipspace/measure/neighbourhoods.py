"""The near neighbours of every point, and what they are without a group of the points: one search for all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clipspace.reprs import brief
from clipspace.search.exact import neighbours

_MARGIN = 12
"""Neighbours searched beyond those asked for; of 32 neighbours more than 12 are in one of 20 groups once in 10**9."""


@dataclass(frozen=True, eq=False)
class Neighbourhoods:
    """Euclidean ``distances`` (n, k), rising, and ``rows`` (n, k) of the points nearest to each of n points."""

    distances: np.ndarray
    rows: np.ndarray

    __repr__ = brief

    def nearest(self, k: int) -> Neighbourhoods:
        """The first ``k`` neighbours of each point, or all that are known."""
        return Neighbourhoods(self.distances[:, :k], self.rows[:, :k])

    def without(self, left: np.ndarray, k: int) -> Neighbourhoods:
        """The ``k`` nearest of the points that are not ``left`` out, bool (n,), renumbered; fewer where fewer are known.

        Of the rare point most of whose known neighbours are left out, some that are left out are kept.
        """
        kept = ~left
        number = np.cumsum(kept) - 1
        gone = left[self.rows[kept]]
        known = min(k, kept.sum() - 1, self.rows.shape[1] - 1)
        order = np.argsort(gone, axis=1, kind="stable")[:, :known]
        rows = np.take_along_axis(self.rows[kept], order, axis=1)
        return Neighbourhoods(np.take_along_axis(self.distances[kept], order, axis=1), number[rows])


def neighbourhoods(x: np.ndarray, k: int) -> Neighbourhoods:
    """The neighbours of points (n, d): ``k``, and some more, so that ``k`` are left where a group of points is left out."""
    return Neighbourhoods(*neighbours(x, min(k + k // 4 + _MARGIN, len(x) - 1)))
