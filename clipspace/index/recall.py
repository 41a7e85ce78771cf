"""How many of the true nearest neighbours an index finds, and the fastest setting that finds enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from clipspace import faiss_backend
from clipspace.index.kinds import Kind

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

    def see(self, block: np.ndarray, rows: np.ndarray) -> None:
        """Take in unit vectors ``block`` (b, d), whose row numbers are ``rows``."""
        if len(block) and len(self.queries):
            # More than k are kept, to know every row that ties with the k-th.
            cosines, positions = faiss_backend.nearest(self.queries, block, self.k + _SPARE, threads=self.threads)
            self.take(cosines, rows[positions])

    def take(self, cosines: np.ndarray, rows: np.ndarray) -> None:
        """Take in what was found elsewhere, later in row order: cosines and row numbers, both (q, any)."""
        cosines = np.concatenate([self.cosines, cosines], axis=1)
        found = np.concatenate([self.rows, rows], axis=1)
        best = np.argsort(-cosines, axis=1, kind="stable")[:, : self.k + _SPARE]
        self.cosines = np.take_along_axis(cosines, best, axis=1)
        self.rows = np.take_along_axis(found, best, axis=1)

    def recall(self, found: np.ndarray, chosen: slice = slice(None)) -> np.ndarray:
        """Share of the ``k`` nearest of each chosen query among ``found`` (q, k); rows that tie count as one another."""
        k = min(self.k, self.rows.shape[1])
        cosines, rows = self.cosines[chosen], self.rows[chosen]
        near = cosines >= cosines[:, k - 1 : k] - _TIE
        hits = [np.isin(f[:k], r[ok]).sum() for f, r, ok in zip(found, rows, near, strict=True)]
        return np.minimum(hits, k) / k

    def holds_nearest(self, found: np.ndarray) -> np.ndarray:
        """Whether the nearest row of each query, or one that ties with it, is anywhere among ``found`` (q, any)."""
        ties = self.cosines >= self.cosines[:, :1] - _TIE
        return np.array([np.isin(f, r[tie]).any() for f, r, tie in zip(found, self.rows, ties, strict=True)])


def measure(index: Any, ids: np.ndarray, truth: Truth, chosen: slice) -> np.ndarray:
    """Recall of each chosen query by a FAISS index whose positions hold the rows ``ids``."""
    found = faiss_backend.search(index, ids, truth.queries[chosen], truth.k, threads=truth.threads)[1]
    return truth.recall(found, chosen)


def tune(kind: Kind, index: Any, ids: np.ndarray, truth: Truth, chosen: slice, *, recall: float) -> tuple[int, float]:
    """Turn ``index`` to the least setting whose recall is above ``recall`` by two standard errors; it and the recall.

    To the last there is when none is: whether that suffices, the caller verifies on other queries.
    """
    reached = 0.0
    for setting in kind.settings:
        faiss_backend.turn(index, kind.knob, setting)
        each = measure(index, ids, truth, chosen)
        reached = float(each.mean())
        if reached - 2 * each.std() / np.sqrt(len(each)) >= recall:
            break
    return setting, reached
