"""A column of a set of points: whether it holds labels or numbers, and how much of it neighbours share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clipspace.sequences import in_order

MOST = 24  # largest number of distinct whole numbers taken as labels, and of labels that a figure tells apart


def column(values: Sequence) -> dict[str, Any]:
    """The content of a column: ``{"numbers": float64 (n,)}``, or ``{"labels": names, "codes": int32 (n,)}``.

    Text, booleans, and whole numbers of at most `MOST` values are labels; other numbers are numbers. The first `MOST`
    labels are the most frequent, for these have a colour and a shape in figures. What is missing is NaN, or the code -1.
    """
    import pandas

    series = pandas.Series(list(in_order(values, "column")), dtype=object)
    missing = series.isna()
    present = series[~missing]
    if len(present) and all(isinstance(v, (int, float, np.number)) and not isinstance(v, bool) for v in present):
        numbers = series.where(~missing, np.nan).astype(np.float64)
        if numbers.nunique() > MOST or (numbers.dropna() % 1 != 0).any():
            return {"numbers": numbers.to_numpy()}
        present = present.astype(int)
    counts = present.value_counts()
    ordered_values = sorted(counts.index, key=None if present.dtype == int else str)
    top = set(counts.index[:MOST])
    order = [v for v in ordered_values if v in top] + [v for v in ordered_values if v not in top]
    place = {value: code for code, value in enumerate(order)}
    codes = [-1 if gone else place[value] for value, gone in zip(series, missing, strict=True)]
    return {"labels": [str(value) or "(empty)" for value in order], "codes": np.array(codes, np.int32)}


def that_group(columns: Mapping[str, Sequence]) -> dict[str, list]:
    """The columns that can group points: numbers, and labels of two values or more with two points each on average."""
    lists = {name: list(values) for name, values in columns.items()}
    return {
        name: values
        for name, values in lists.items()
        if "numbers" in (structure := column(values)) or 2 <= len(structure["labels"]) <= len(values) / 2
    }


def drawn_values(values: Sequence) -> tuple[list[str | None], dict[str, np.ndarray]]:
    """A column as a result holds it for its figure: labels, None where missing, or an array "numbers"; neither of no values."""
    structure = column(values) if len(values) else {"labels": [], "codes": ()}
    if "numbers" in structure:
        return [], {"numbers": structure["numbers"]}
    return [structure["labels"][code] if code >= 0 else None for code in structure["codes"]], {}


def shared(near: np.ndarray, values: Sequence) -> tuple[float, float]:
    """How much of a column neighbours share, and its chance level; ``near`` ``(n, k)`` are rows, -1 where unknown.

    Of labels the share of neighbours that have the same one; chance is that of all pairs. Of numbers 1 minus the
    contiguity ratio (Geary 1954) of their ranks: 1 where neighbours have the same number, and 0 by chance.
    Points without a value are left out. Both are 0 where nothing is known.
    """
    structure = column(values)
    numeric = "numbers" in structure
    is_known = np.isfinite(structure["numbers"]) if numeric else structure["codes"] >= 0
    x = _ranks(structure["numbers"], is_known) if numeric else structure["codes"]
    i, j = np.repeat(np.arange(len(near)), near.shape[1]), near.ravel()
    pair_known = (j >= 0) & is_known[i] & is_known[j]
    i, j = i[pair_known], j[pair_known]
    if not len(i):
        return 0.0, 0.0
    if numeric:
        spread = 2 * x[is_known].var(ddof=1)  # mean squared difference of two points
        return (float(1 - ((x[i] - x[j]) ** 2).mean() / spread) if spread else 1.0), (0.0 if spread else 1.0)
    counts = np.bincount(x[is_known]).astype(float)
    n = counts.sum()
    return float((x[i] == x[j]).mean()), float((counts * (counts - 1)).sum() / (n * (n - 1)))


def structure(near: np.ndarray, values: Sequence) -> float:
    """How far above chance neighbours share a column: 1 always, 0 by chance, and 0 where all values are the same."""
    share, chance = shared(near, values)
    return (share - chance) / (1 - chance) if chance < 1 else 0.0


def most_structured(near: np.ndarray, columns: dict[str, Sequence]) -> str | None:
    """The column that neighbours share most above chance, by which to colour a map. None without columns.

    Columns of more labels than have a colour are taken only where there are no others.
    """

    def rank(name: str) -> tuple[bool, float]:
        return len(column(columns[name]).get("labels", ())) <= MOST, structure(near, columns[name])

    return max(columns, key=rank, default=None)


def _ranks(numbers: np.ndarray, is_known: np.ndarray) -> np.ndarray:
    """Ranks of the known numbers, equal ones having their mean rank; 0 for the others."""
    from scipy.stats import rankdata

    ranks = np.zeros(len(numbers))
    ranks[is_known] = rankdata(numbers[is_known])
    return ranks
