"""Columns to colour a map by: values of a few kinds, or numbers on a scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from clipspace.sequences import in_order

# The ten colours of Petroff 2021 (arXiv 2107.02270), less its two greys, which are left for what has no colour.
PALETTE = ("#3f90da", "#ffa90e", "#bd1f01", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#92dadd")
SHAPES = ("circle", "diamond", "triangle-up")  # the colours come again in each
MOST = len(PALETTE) * len(SHAPES)

# Viridis (van der Walt and Smith 2015) in 32 steps, dark to light.
# fmt: off
SCALE = (
    "#440154", "#470d60", "#48186a", "#482374", "#472e7c", "#453882", "#424186", "#3e4a89",
    "#3a548c", "#365d8d", "#32658e", "#2e6d8e", "#2b758e", "#287d8e", "#25848e", "#228c8d",
    "#1f948c", "#1e9c89", "#20a386", "#25ab82", "#2eb37c", "#3aba76", "#48c16e", "#58c765",
    "#6ccd5a", "#7fd34e", "#93d741", "#a8db34", "#c0df25", "#d5e21a", "#eae51a", "#fde725",
)
# fmt: on


def column(values: Sequence) -> dict[str, Any]:
    """What a page needs of a column: ``{"numbers": float64 (n,)}``, or ``{"labels": names, "codes": int32 (n,)}``.

    Text, booleans, and whole numbers of at most 24 values are labels; other numbers are numbers. The first 24 labels
    are the most frequent, for these have a colour and a shape. What is missing is NaN, or the code -1.
    """
    import pandas

    series = pandas.Series(list(in_order(values, "column")), dtype=object)
    missing = series.isna()
    known = series[~missing]
    if len(known) and all(isinstance(v, (int, float, np.number)) and not isinstance(v, bool) for v in known):
        numbers = series.where(~missing, np.nan).astype(np.float64)
        if numbers.nunique() > MOST or (numbers.dropna() % 1 != 0).any():
            return {"numbers": numbers.to_numpy()}
        known = known.astype(int)
    counts = known.value_counts()
    named = sorted(counts.index, key=None if known.dtype == int else str)
    top = set(counts.index[:MOST])
    order = [v for v in named if v in top] + [v for v in named if v not in top]
    place = {value: code for code, value in enumerate(order)}
    codes = [-1 if gone else place[value] for value, gone in zip(series, missing, strict=True)]
    return {"labels": [str(value) or "(empty)" for value in order], "codes": np.array(codes, np.int32)}
