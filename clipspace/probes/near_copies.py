"""Duplicates and leaks: pairs nearer than unrelated rows come, at a stated rate of false ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from clipspace.errors import InputError
from clipspace.measure.nearness import FEWEST_ROWS, WINDOW, Nearness, fit_nearness
from clipspace.points.arrays import as_points
from clipspace.points.embeddings import Embeddings, check_same_space
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.results.table import Row, Table
from clipspace.search import Index, build_index

if TYPE_CHECKING:
    from clipspace.points.store import Store

SCALE_RANK = 10
"""Rank of the neighbour whose distance is the scale of a row. More dense regions have smaller scales."""
_NEIGHBOURS = 4 * SCALE_RANK
_EQUAL = 1e-3
"""Distance of unit vectors below which single precision does not tell them apart."""
_STRICT = 0.1
"""Share of the false rate at which copies are taken out of the fit: few unrelated pairs are lost to it by that."""
_WINDOWS = ((1.5, 5.0), WINDOW, WINDOW, WINDOW)
"""Window of each fit. The first is farther out, where many copies do not reach; the others leave out those it found."""


@dataclass(frozen=True)
class _Near:
    """Neighbours of some rows, nearest first: distances and row numbers, both (n, k)."""

    distances: np.ndarray
    rows: np.ndarray


@dataclass(frozen=True)
class _Found:
    """Pairs that were found: distances over their scales (p,), rows (p, 2), scales (p,); groups of rows; and the law."""

    relative: np.ndarray
    pairs: np.ndarray
    scales: np.ndarray
    groups: np.ndarray
    scale_of: np.ndarray
    law: Nearness


def duplicates(
    points: Embeddings | Store | np.ndarray,
    other: Embeddings | Store | np.ndarray | None = None,
    *,
    false_rate: float = 0.01,
    index: Index | None = None,
    seed: int = 0,
) -> Result:
    """Pairs of rows that are nearer than unrelated rows: copies within ``points``, or rows of ``other`` among them.

    A cosine means nothing by itself: 0.9 is a copy in one space and a neighbour in another. So every distance is divided by
    the scales of its two rows (the geometric mean of the distances of their 10th nearest neighbours), which removes the
    difference in density between regions, and the distribution of unrelated pairs is fitted to pairs that are too far apart
    to be copies and extrapolated to nearer ones (`measure.nearness`). The fit is repeated without the copies found.

    Parameters
    ----------
    points : array (n, d), `Embeddings` or a store; at least 50 rows that are no copies
    other : another set, such as a test set of which ``points`` are the training set
    false_rate : false pairs to expect for each row of ``points``, or of ``other`` where there is one: 0.01 is one false pair
        for every 100 rows
    index : an index of ``points``; built when None
    seed : of the index

    Returns
    -------
    `Result` with a row for each pair, keys ``row`` (of ``points``) and ``other`` (of ``other``, else of ``points``): names,
    ``cosine``, ``threshold`` (the cosine from which a pair counts there) and ``false pairs`` (unrelated pairs per row that are
    expected to be as near). The array ``groups`` (n,) has one number for all copies of a row, where there is one set. The
    findings say how many false pairs are expected among those found, with a 95 % interval.

    What is measured is nearness, not descent: two photographs of one scene are found as well. Ten rows or more that are near
    each other, and not equal, are a dense region as far as distances tell, and are not found as copies.

    Raises `InputError` for a rate that is not between 0 and 0.3, and for too few rows; `SpaceMismatchError` for sets of two
    spaces.

    >>> points = np.random.default_rng(0).normal(size=(500, 8))
    >>> copies = points[:3] + 0.01
    >>> sorted(row.row for row in duplicates(np.concatenate([points, copies]), false_rate=1e-3))
    [0, 1, 2]
    """
    if not 0 < false_rate <= 0.3:
        raise InputError(f"duplicates: expected a false_rate above 0, at most 0.3, got {false_rate}")
    points = as_points(points)
    if len(points) <= FEWEST_ROWS:
        raise InputError(
            f"duplicates: expected more than {FEWEST_ROWS} rows, to know how near unrelated ones come, got {len(points)}"
        )
    if other is not None:
        other = as_points(other)
        check_same_space(points.stamp, other.stamp, "duplicates")
    index = build_index(points, recall=0.99, seed=seed) if index is None else index
    index.holding(points, "duplicates")
    if "SQ8" in index.facts["kind"] or "PQ" in index.facts["kind"]:
        raise InputError(
            f"duplicates: expected an index whose cosines are those of the vectors, got {index.facts['kind']}, which keeps 8 bits "
            "of a number or fewer; build one that takes more memory"
        )
    found = _copies_within(_near(index, points, itself=True), false_rate)
    if other is not None:
        found = _copies_across(_near(index, other, itself=False), found, false_rate)
    return _result(points, other, found, false_rate, seed)


def _near(index: Index, queries: Embeddings | Store, *, itself: bool) -> _Near:
    """The nearest rows of an index to each query; with ``itself``, without the row that the query is."""
    near = index.search(queries, min(_NEIGHBOURS + itself, len(index)))
    distances = np.sqrt(np.maximum(2 - 2 * near.cosines.astype(np.float64), 0))
    distances[distances < _EQUAL] = 0
    distances[near.rows < 0] = np.inf
    if not itself:
        return _Near(distances, near.rows)
    is_self = near.rows == np.arange(len(near.rows))[:, None]
    is_self[~is_self.any(axis=1), -1] = True  # copies came before the row itself
    shape = (len(near.rows), near.rows.shape[1] - 1)
    return _Near(distances[~is_self].reshape(shape), near.rows[~is_self].reshape(shape))


def _copies_within(near: _Near, false_rate: float) -> _Found:
    n = len(near.rows)
    own = np.arange(n)
    at, equal = np.nonzero(near.distances == 0)
    groups = _groups(np.stack([at, near.rows[at, equal]], axis=1), n)
    for window in _WINDOWS:
        is_first = groups == own
        scale_of = _scales(near, groups, groups)
        pairs, relative, scales = _relative(near, own, scale_of, scale_of)
        once = np.unique(np.sort(pairs, axis=1) @ [n, 1], return_index=True)[1]
        pairs, relative, scales = np.sort(pairs[once], axis=1), relative[once], scales[once]
        law = fit_nearness(relative[is_first[pairs].all(axis=1)], int(is_first.sum()), window=window)
        groups = _groups(pairs[relative <= law.distance(_STRICT * false_rate)], n)
    copies = relative <= law.distance(false_rate)
    groups = _groups(pairs[copies], n)
    return _Found(relative[copies], pairs[copies], scales[copies], groups, scale_of, law)


def _copies_across(near: _Near, within: _Found, false_rate: float) -> _Found:
    """Rows of another set whose neighbours are ``near``, among those in which the copies ``within`` were found."""
    n = len(near.rows)
    is_first = within.groups == np.arange(len(within.groups))
    known = np.where(near.distances[:, 0] == 0, within.groups[near.rows[:, 0]], -1)  # the group that each row copies
    for window in _WINDOWS:
        scales_of_other = _scales(near, within.groups, known)
        pairs, relative, scales = _relative(near, np.arange(n), scales_of_other, within.scale_of)
        used = is_first[pairs[:, 1]] & (within.groups[pairs[:, 1]] != known[pairs[:, 0]])
        law = fit_nearness(relative[used], n, window=window)
        near_pairs = pairs[relative <= law.distance(_STRICT * false_rate)]
        known = np.full(n, -1)
        known[near_pairs[:, 0]] = within.groups[near_pairs[:, 1]]
    copies = relative <= law.distance(false_rate)
    return _Found(relative[copies], pairs[copies][:, ::-1], scales[copies], within.groups, within.scale_of, law)


def _scales(near: _Near, groups: np.ndarray, own_group: np.ndarray) -> np.ndarray:
    """Distance of the 10th nearest neighbour of each row that is no copy of it, each group of copies counted once."""
    is_first = groups == np.arange(len(groups))
    counted = is_first[near.rows] & (groups[near.rows] != own_group[:, None])
    reached = np.cumsum(counted, axis=1) >= SCALE_RANK
    at = np.where(reached.any(axis=1), reached.argmax(axis=1), near.rows.shape[1] - 1)
    return near.distances[np.arange(len(at)), at]


def _relative(
    near: _Near, own: np.ndarray, scales: np.ndarray, scales_of_near: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All pairs (p, 2) of a row and a neighbour, their distances over their scales, and the scales."""
    of_pair = np.sqrt(scales[:, None] * scales_of_near[near.rows])
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(near.distances == 0, 0, near.distances / of_pair)
    pairs = np.stack([np.broadcast_to(own[:, None], near.rows.shape), near.rows], axis=-1)
    is_there = np.isfinite(relative)
    return pairs[is_there], relative[is_there], of_pair[is_there]


def _groups(pairs: np.ndarray, n: int) -> np.ndarray:
    """The first row of the group that each of ``n`` rows is in, where a pair links two."""
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, group = connected_components(links, directed=False)
    return np.unique(group, return_index=True)[1][group]


def _result(points, other, found: _Found, false_rate: float, seed: int) -> Result:
    side = points if other is None else other
    order = np.lexsort((found.pairs[:, 1], found.pairs[:, 0], found.relative))
    limit = found.law.distance(false_rate)
    rates = found.law.rate(found.relative)
    rows = [
        Row(
            row=int(found.pairs[i, 0]),
            other=int(found.pairs[i, 1]),
            name=points.names[found.pairs[i, 0]],
            **{"other name": side.names[found.pairs[i, 1]]},
            cosine=float(1 - (found.relative[i] * found.scales[i]) ** 2 / 2),
            threshold=float(1 - (limit * found.scales[i]) ** 2 / 2),
            **{"false pairs": float(rates[i])},
        )
        for i in order
    ]
    options = {"false_rate": false_rate, "rows": len(points), "dimension": found.law.dimension}
    options |= {} if other is None else {"other": len(other)}
    return Result(
        "duplicates",
        Table(rows, ("row", "other")),
        [_finding(found, len(side), false_rate, other is not None)],
        arrays={"groups": found.groups} if other is None else {},
        provenance=provenance("duplicates", stamp=points.stamp, seed=seed, **options),
    )


def _finding(found: _Found, n: int, false_rate: float, is_other: bool) -> str:
    counted = n if is_other else len(np.unique(found.groups))
    low, high = found.law.count_interval(false_rate, counted)
    column = 1 if is_other else slice(None)
    involved = len(np.unique(found.pairs[:, column]))
    where = "of the other set are near a row of this one" if is_other else "are near another"
    return (
        f"{involved:,} of {n:,} rows {where}, in {len(found.pairs):,} pairs; about {false_rate * counted:.3g} pairs of unrelated rows "
        f"are expected among them (95 % {low:.0f} to {high:.0f})."
    )
