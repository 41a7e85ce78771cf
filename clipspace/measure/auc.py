"""Area under the ROC curve (AUC): how often a row of a class scores higher than one of the others, with its interval."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.stats import rankdata

from clipspace.measure.estimate import QUANTILE

_GRID = np.linspace(0, 1, 2001)


def aucs(members: sparse.csr_array | np.ndarray, scores: np.ndarray) -> np.ndarray:
    """AUC (m, c) of each of the ``scores`` (n, c) for each of the classes whose ``members`` (n, m) are not 0; ties count half.

    NaN of a class without members, or of all rows. 1/2 is chance. Time and memory of the ranks, n c log n.

    >>> aucs(np.array([[0], [0], [1]]), np.array([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]])).tolist()
    [[1.0, 0.5]]
    """
    is_member = sparse.csr_array(members != 0).astype(np.float64)
    ranks = rankdata(scores, axis=0)
    inside = np.asarray(is_member.sum(axis=0)).ravel()[:, None]
    outside = len(scores) - inside
    with np.errstate(invalid="ignore", divide="ignore"):
        return (is_member.T @ ranks - inside * (inside + 1) / 2) / (inside * outside)


def auc_interval(auc: float, members: int, others: int) -> tuple[float, float]:
    """95 % interval of an AUC of ``members`` against ``others``: method 5 of Newcombe (2006, Statistics in Medicine 25:559).

    All values whose own standard error reaches the estimate (Hanley & McNeil 1982, with the mean of both counts), so it has a
    width at 0 and at 1 too. From 10 members on it covers at least .93, of labels as of numbers; of 5, .88 where the AUC is .98.

    >>> [round(end, 2) for end in auc_interval(1.0, 20, 20)]
    [0.9, 1.0]
    """
    half = (members + others) / 2 - 1
    spread = 1 + half * (1 - _GRID) / (2 - _GRID) + half * _GRID / (1 + _GRID)
    error = np.sqrt(_GRID * (1 - _GRID) * spread / (members * others))
    within = _GRID[np.abs(_GRID - auc) <= QUANTILE * error + 1e-12]
    if not len(within):  # the estimate lies between two values of the grid
        return auc, auc
    return float(min(auc, within[0])), float(max(auc, within[-1]))
