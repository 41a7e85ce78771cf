"""Which factors a second embedding of the same images has gained and lost: paired differences of held-out read-outs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clipspace.measure.column_structure import column
from clipspace.measure.cross_fitting import Skills, cross_fit
from clipspace.measure.estimate import QUANTILE
from clipspace.results.table import scored

CAPACITIES = ("linear", "neighbours")
FEWEST = 20
"""Smallest number of rows with a value of a factor."""


def gained_rows(x: np.ndarray, y: np.ndarray, columns: Mapping[str, Sequence], *, seed: int) -> list[dict[str, Any]]:
    """A row for each factor: its skill in ``y`` (n, e) less that in ``x`` (n, d), the most lost first.

    Skill is that of `measure.cross_fitting`: 0 at chance, 1 without errors, of the capacity that does best on other rows.
    Both are read from the same folds, so the interval knows that they share their rows; of labels it is never narrower than
    if two rows were read otherwise, for no difference in n rows is no proof of none. The columns ``a`` and ``b`` hold both
    skills. Factors of a single value, or of too few rows, are left out.
    """
    rows = []
    for name, values in columns.items():
        targets, labels, is_known = _targets(values)
        if is_known.sum() < FEWEST or np.ptp(targets[is_known], axis=0).max() == 0:
            continue
        before, after = (_skills(points[is_known], targets[is_known], labels, seed).best for points in (x, y))
        gain = after - before
        half = max((gain.high - gain.low) / 2, QUANTILE * np.sqrt(2) / gain.n if labels else 0.0)
        ends = {"low": gain.value - half, "high": gain.value + half}
        row = scored(score="skill gained", variant=name, value=gain.value, chance=0.0, **ends)
        rows.append({**row, "n": gain.n, "a": before.value, "b": after.value})
    return sorted(rows, key=lambda row: row["value"])


def _skills(x: np.ndarray, targets: np.ndarray, labels: bool, seed: int) -> Skills:
    return cross_fit(x, targets, labels=labels, capacities=CAPACITIES, control=False, seed=seed)


def _targets(values: Sequence) -> tuple[np.ndarray, bool, np.ndarray]:
    """Labels one-hot, or numbers in a column: float (n, k); whether they are labels; where they are known (n,)."""
    held = column(values)
    if "labels" in held:
        return np.eye(len(held["labels"]))[held["codes"]], True, held["codes"] >= 0
    return held["numbers"][:, None], False, np.isfinite(held["numbers"])
