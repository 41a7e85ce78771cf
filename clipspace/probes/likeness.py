"""How alike two embeddings of the same images are: similarity beside its null, and the images whose neighbours changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clipspace.errors import InputError
from clipspace.measure import similarity
from clipspace.measure.changed import Changed, changed_neighbours
from clipspace.measure.jackknife import jackknife
from clipspace.measure.permuted import MEASURES, calibrated, p_values, permuted
from clipspace.points.arrays import unit_rows
from clipspace.points.embeddings import Embeddings
from clipspace.points.store import Store
from clipspace.probes.gained import gained_rows
from clipspace.probes.rows import share_row
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.results.table import Row, Table, scored
from clipspace.seeds import stream

ROWS = 2000
"""Rows whose neighbours are compared; when there are more, this many are drawn at random."""
KERNEL_ROWS = 1000
"""Rows, of these, on which similarities and their null are measured: a null takes n^2 for each order of the rows."""
MOVED, FAR = 0.05, 3.0
"""Share of the rows of the second set that are moved, to see how much a similarity rests on few rows; the distance, in
units of the rows' typical distance from their mean."""


def compare(
    a: Embeddings | Store,
    b: Embeddings | Store,
    *,
    columns: Mapping[str, Sequence] | None = None,
    k: int = 10,
    permutations: int = 199,
    rate: float = 0.05,
    max_points: int = ROWS,
    seed: int = 0,
) -> Result:
    """How similar two embeddings of the same images are, row by row; they may be of different spaces and dimensions.

    Keys of the rows are ``score`` and ``variant``. *Similarities* (linear CKA, its unbiased form, RSA, the share of ``k``
    mutual nearest neighbours) have as chance the mean over ``permutations`` random orders of the rows of ``b``, and three
    more columns: ``p``, the share of orders with a value as high; ``calibrated``, the value with 0 at chance and 1 where
    both are one; ``moved``, the value with 5 % of the rows of ``b`` moved far to one side, on which CKA may rest (Davari et
    al., arXiv 2210.16156). Prefer ``calibrated`` and ``p``: plain CKA of few rows in many dimensions is high for unrelated
    sets. Their intervals are by the jackknife, for sets of as many rows.

    *Neighbours*: the share of rows whose neighbours "changed" more than noise in every row would change them (see
    `measure.changed`), and the share "kept", which have more neighbours in common than unrelated sets would; both at a
    false discovery rate of ``rate`` (Benjamini & Hochberg 1995). Arrays, one entry for each of ``rows``: ``rows``, ``shared`` and
    ``expected`` shares of neighbours, ``changed`` and ``kept``. A rotation, a scale or another float type changes none.

    *Factors*: for each of ``columns`` (n values by name, labels or numbers) the "skill gained", that of ``b`` less that of ``a``
    (see `probes.gained`), the most lost first; the columns ``a`` and ``b`` of the table hold both skills.

    Raises `InputError` for sets of other lengths, or fewer than 20 rows.
    """
    if len(a) != len(b):
        raise InputError(f"compare: expected the same rows of both, got {len(a)} and {len(b)}")
    if len(a) < 20:
        raise InputError(f"compare: expected 20 rows or more, got {len(a)}; add images")
    if wrong := [name for name, values in (columns or {}).items() if len(values) != len(a)]:
        raise InputError(f"compare: expected {len(a)} values of {wrong[0]!r}, one a row, got {len(columns[wrong[0]])}")
    chosen = stream(seed, "sample").permutation(len(a))[:max_points]
    of_rows = {name: [values[i] for i in chosen] for name, values in (columns or {}).items()}
    x, y = (unit_rows(points, chosen, "compare") for points in (a, b))
    neighbours = changed_neighbours(x, y, k=k, rng=stream(seed, "noise"))
    rows = [
        *_similarities(x[:KERNEL_ROWS], y[:KERNEL_ROWS], k, permutations, seed),
        *_neighbour_rows(neighbours, rate),
        *gained_rows(x, y, of_rows, seed=seed),
    ]
    arrays = {"rows": chosen, "shared": neighbours.shared, "expected": neighbours.expected}
    arrays |= {"changed": neighbours.q_changed < rate, "kept": neighbours.q_kept < rate}
    options = {"k": k, "permutations": permutations, "rate": rate, "max_points": max_points}
    made = provenance("compare", stamp=a.stamp, seed=seed, other=str(b.stamp), noise=neighbours.noise, **options)
    return Result("compare", Table(rows, ("score", "variant")), arrays=arrays, provenance=made)


def _similarities(x: np.ndarray, y: np.ndarray, k: int, permutations: int, seed: int) -> list[dict[str, Any]]:
    """A row for each of `MEASURES`, with its null, its interval, and its value with some rows moved."""
    statistics = {
        "linear CKA": similarity.linear_cka,
        "unbiased linear CKA": lambda x, y: similarity.linear_cka(x, y, unbiased=True),
        "RSA": similarity.rsa,
        "mutual neighbours": lambda x, y: similarity.mutual_neighbours(x, y, k=k),
    }
    null = permuted(x, y, k=k, permutations=permutations, rng=stream(seed, "orders"))
    values = {name: statistics[name](x, y) for name in MEASURES}
    p, aside = p_values(values, null), _moved_aside(y, seed)
    rows = []
    for name, value in values.items():
        low, high = jackknife(statistics[name], x, y, value=value, seed=seed)
        chance = float(null[name].mean())
        row = scored(score=name, variant=None, value=value, chance=chance, low=low, high=high, n=len(x))
        more = {"calibrated": calibrated(value, chance), "p": p[name], "moved": statistics[name](x, aside)}
        rows.append(row | more)
    return rows


def _moved_aside(y: np.ndarray, seed: int) -> np.ndarray:
    """``y`` with a few rows moved far along one direction."""
    rng, moved = stream(seed, "rows moved"), y.copy()
    direction = rng.normal(size=y.shape[1])
    rows = rng.permutation(len(y))[: max(1, round(MOVED * len(y)))]
    typical = np.sqrt(np.var(y, axis=0).sum())
    moved[rows] += FAR * typical * direction / np.linalg.norm(direction)
    return moved


def _neighbour_rows(neighbours: Changed, rate: float) -> list[Row]:
    """The shares of rows whose neighbours changed, and are kept; each row's own test errs at ``rate`` at most."""
    return [
        share_row((q < rate).astype(float), score="images whose neighbours", variant=name)
        for name, q in (("changed", neighbours.q_changed), ("are kept", neighbours.q_kept))
    ]
