"""Pairs that one encoder calls the same and another does not: counted, drawn, decoded, and what differs in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from clipspace.measure.column_structure import column as read_column
from clipspace.points.embeddings import Embeddings
from clipspace.results.result import Result
from clipspace.results.table import scored
from clipspace.sources.images import read_image, square

if TYPE_CHECKING:
    from clipspace.space import Space

_SIDE = 64


def pair_row(way: str, scores: Result, same: float) -> dict[str, Any]:
    """The share of all pairs that are the same to one alone; half of the same would be by chance."""
    share = scores["share"]
    return scored(
        score="pairs that are the same", variant=f"to {way} alone", value=share.value, chance=same / 2, n=share.n
    )


def both_cosines(way: str, scores: Result) -> np.ndarray:
    """Cosines (k, 2) of pairs, of z and of the other."""
    ordered = ("cosine", "other_cosine") if way == "z" else ("other_cosine", "cosine")
    return np.stack([scores.arrays[name] for name in ordered], axis=1)


def pairs_drawn(
    sources: Sequence, scores: Result, decoders: Sequence[tuple[Space, Embeddings]], drawn: dict[str, int]
) -> np.ndarray:
    """Pairs as uint8 (k, rows, side, side, 3): both images, then both as each decoder draws them from one x_T."""
    pairs = scores.arrays["pairs"].T
    if not pairs.size:
        return np.zeros((0, 2 + 2 * len(decoders), _SIDE, _SIDE, 3), np.uint8)
    columns = [[read_image(sources[i]) for i in rows] for rows in pairs]
    columns += [space.decode(points[rows], **drawn) for space, points in decoders for rows in pairs]
    small = [[np.asarray(square(image, _SIDE)) for image in images] for images in columns]
    return np.array(small, dtype=np.uint8).swapaxes(0, 1)


def pair_finding(ways: Mapping[str, Result], other: str, factors: Mapping[str, Sequence]) -> str:
    """How many pairs are the same to one alone, and which of the labels differ within those that are shown."""
    counts = {way: int(scores["count"].value) for way, scores in ways.items()}
    sentences = [
        f"Of {ways['z']['count'].n:,} pairs {counts['z']} are the same to z and different to {other}, and {counts['other']} the reverse."
    ]
    labelled = {name: values for name, values in factors.items() if "labels" in read_column(values)}
    for way, name in (("z", "z"), ("other", other)):
        pairs = ways[way].arrays["pairs"]
        differs = {factor: sum(values[i] != values[j] for i, j in pairs) for factor, values in labelled.items()}
        told = [f"{factor} in {times}" for factor, times in sorted(differs.items(), key=lambda item: -item[1]) if times]
        if told:
            sentences.append(
                f"In the {len(pairs)} shown pairs that are the same to {name} alone, these factors differ: {', '.join(told)}."
            )
    return " ".join(sentences)
