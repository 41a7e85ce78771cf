"""How many of the true nearest neighbours an index finds, and the fastest setting that finds enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from clipspace.points.arrays import gather
from clipspace.points.protocol import Points
from clipspace.search import faiss_backend
from clipspace.search.exact import nearest
from clipspace.search.kinds import Kind

_TIE = 1e-6
_SPARE = 32


@dataclass
class Truth:
    """The exact neighbours of some queries, gathered block by block: cosines and row numbers, best first."""

    queries: np.ndarray
    k: int
    threads: int

    def __post_init__(self) -> None:
        self.cosines = np.full((len(self.queries), 0), -np.inf, np.float32)
        self.rows = np.full((len(self.queries), 0), -1, np.int64)
        self._tied = [(np.empty(0, np.int64), np.empty(0, np.float32))] * len(self.queries)

    def see(self, block: np.ndarray, rows: np.ndarray) -> None:
        """Compare the queries with unit vectors ``block`` (b, d), whose row numbers are ``rows``."""
        if len(block) and len(self.queries):
            # More than k are kept, to know every row that ties with the k-th.
            most = min(self.k + _SPARE, len(block))
            cosines, positions = nearest(block, self.queries, most, threads=self.threads)
            self.take(cosines, rows[positions])

    def take(self, cosines: np.ndarray, rows: np.ndarray) -> None:
        """Merge neighbours from rows that come later: cosines and row numbers, both (q, any)."""
        cosines = np.concatenate([self.cosines, cosines], axis=1)
        all_rows = np.concatenate([self.rows, rows], axis=1)
        best = np.argsort(-cosines, axis=1, kind="stable")[:, : self.k + _SPARE]
        self.cosines = np.take_along_axis(cosines, best, axis=1)
        self.rows = np.take_along_axis(all_rows, best, axis=1)

    def crowded(self) -> np.ndarray:
        """Which queries have more rows that tie with the k-th nearest than are kept."""
        if self.rows.shape[1] < self.k + _SPARE:
            return np.zeros(len(self.queries), dtype=bool)
        return self.cosines[:, -1] >= self.cosines[:, self.k - 1] - _TIE

    def learn(self, points: Points, rows_found: np.ndarray) -> None:
        """Take in which rows of ``rows_found`` (q, any) tie with the k-th nearest, where more do than are kept.

        So it is with copies: any of them is right. Their cosines are computed from ``points``, in one pass.
        """
        full = np.flatnonzero(self.crowded())
        rows_to_read = np.unique(rows_found[full])
        rows_to_read = rows_to_read[rows_to_read >= 0]
        vectors = gather(points, rows_to_read, unit=True) if len(rows_to_read) else None
        for q in full if len(rows_to_read) else ():
            rows = np.setdiff1d(rows_found[q][rows_found[q] >= 0], self.rows[q])
            cosines = vectors[np.searchsorted(rows_to_read, rows)] @ self.queries[q]
            right = cosines >= self.cosines[q, self.k - 1] - _TIE
            self._tied[q] = rows[right], cosines[right]

    def recall(self, rows_found: np.ndarray, queries: slice = slice(None)) -> np.ndarray:
        """Share of the ``k`` nearest of each chosen query among ``rows_found`` (q, k); rows that tie count as one another."""
        k = min(self.k, self.rows.shape[1])
        ties = self._at_least(k, queries)
        return np.minimum([np.isin(f[:k], right).sum() for f, right in zip(rows_found, ties, strict=True)], k) / k

    def holds_nearest(self, rows_found: np.ndarray) -> np.ndarray:
        """Whether the nearest row of each query, or one that ties with it, is anywhere among ``rows_found`` (q, any)."""
        return np.array([np.isin(f, right).any() for f, right in zip(rows_found, self._at_least(1), strict=True)])

    def copied(self, *, itself: bool) -> float:
        """Share of the queries that have a copy among the rows. ``itself``: whether each query is among the rows."""
        at = int(itself)
        return float(np.mean(self.cosines[:, at] >= 1 - _TIE)) if self.cosines.shape[1] > at else 0.0

    def _at_least(self, k: int, queries: slice = slice(None)) -> list[np.ndarray]:
        """Of each chosen query the rows known to be as near as its k-th nearest."""
        least = self.cosines[queries, k - 1] - _TIE
        known_rows = zip(self.rows[queries], self.cosines[queries], self._tied[queries], least, strict=True)
        return [np.concatenate([rows[near >= low], tied[far >= low]]) for rows, near, (tied, far), low in known_rows]


def about_copies(share: float) -> str:
    """The sentence about copies for an error of low recall; empty where there are no copies."""
    return f"{share:.0%} of rows have copies, any of which counts as found; " if share else ""


def measure(index: Any, ids: np.ndarray, truth: Truth, queries: slice) -> np.ndarray:
    """Recall of each chosen query by a FAISS index whose positions hold the rows ``ids``."""
    rows = faiss_backend.search(index, ids, truth.queries[queries], truth.k, threads=truth.threads)[1]
    return truth.recall(rows, queries)


def search_all(kind: Kind, index: Any, ids: np.ndarray, truth: Truth) -> np.ndarray:
    """Rows (q, settings k) that a FAISS index finds for all queries at any of its settings."""
    rows_by_setting = []
    for setting in kind.settings:
        faiss_backend.turn(index, kind.knob, setting)
        rows_by_setting.append(faiss_backend.search(index, ids, truth.queries, truth.k, threads=truth.threads)[1])
    return np.concatenate(rows_by_setting, axis=1)


def tune(kind: Kind, index: Any, ids: np.ndarray, truth: Truth, queries: slice, *, recall: float) -> tuple[int, float]:
    """Turn ``index`` to the least setting whose recall is above ``recall`` by two standard errors; it and the recall.

    To the last there is when none is: whether that suffices, the caller verifies on other queries.
    """
    reached = 0.0
    for setting in kind.settings:
        faiss_backend.turn(index, kind.knob, setting)
        recalls = measure(index, ids, truth, queries)
        reached = float(recalls.mean())
        if reached - 2 * recalls.std() / np.sqrt(len(recalls)) >= recall:
            break
    return setting, reached
