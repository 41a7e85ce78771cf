"""A greedy basis: vectors chosen one after the other to explain most of the variance of a set of points."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from clipspace.errors import InputError


class GreedyBasis(NamedTuple):
    """``chosen`` (k,) candidates, the orthonormal ``directions`` (k, d) they add, and the share of the variance of each."""

    chosen: list[int]
    directions: np.ndarray
    explained: np.ndarray


def greedy_basis(candidates: np.ndarray, covariance: np.ndarray, k: int) -> GreedyBasis:
    """The ``k`` of ``candidates`` (v, d) along which points of this ``covariance`` (d, d) vary most.

    The candidate along which the points vary most is chosen; its direction is taken off the candidates and the points;
    and again. Raises `InputError` where fewer than ``k`` candidates span something that varies.
    """
    total = np.trace(covariance)
    selected, directions, explained = [], [], []
    for _ in range(k):
        varies = np.einsum("vd,vd->v", candidates @ covariance, candidates)
        varies[selected] = 0
        best = int(varies.argmax())
        if varies[best] <= 1e-12 * total:
            raise InputError(
                f"text_span: expected k up to {len(selected)}, all that these texts span of the set, got {k}"
            )
        axis = candidates[best] / np.linalg.norm(candidates[best])
        selected.append(best)
        directions.append(axis)
        explained.append(axis @ covariance @ axis / total)
        candidates = candidates - np.outer(candidates @ axis, axis)
        covariance = covariance - np.outer(covariance @ axis, axis)
        covariance = covariance - np.outer(axis, axis @ covariance)
    return GreedyBasis(selected, np.array(directions), np.array(explained))
