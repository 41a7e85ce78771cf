"""The geometry of a set of embeddings: cone, spectrum, dimension and hubs of its directions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from clipspace.errors import InputError, SampleWarning
from clipspace.measure import cone, contrast, dimension, hubness, spectrum
from clipspace.measure.copies import originals
from clipspace.measure.jackknife import groups, jackknife, left_out
from clipspace.measure.neighbourhoods import Neighbourhoods, neighbourhoods
from clipspace.points.arrays import embeddings_of
from clipspace.points.embeddings import Embeddings
from clipspace.points.sphere import unit
from clipspace.points.store import Store
from clipspace.probes.labelled import finite_vectors
from clipspace.probes.rows import MAX_POINTS, pairs_row, set_row
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.results.table import Row, Table
from clipspace.seeds import stream


def geometry(
    points: Embeddings | Store,
    *,
    k: int = 10,
    estimators: Sequence[str] = (),
    max_points: int = MAX_POINTS,
    seed: int = 0,
) -> Result:
    """The geometry of a set of directions: cone, spectrum, dimension, hubs. Each function says how it depends on n.

    Each score has an interval, most of them by the jackknife (`measure.jackknife`), for the mean score over sets with the same
    number of rows, because most scores depend on n. Duplicate rows are dropped with a warning: distances of 0 break
    the estimators. Scores of the covariance use all rows, scores of pairs at most ``max_points``; ``n`` is the number of
    rows of each score. ``estimators`` adds dimensions that scikit-dimension estimates
    (`geometry.dimension.by_scikit_dimension`).

    Returns
    -------
    `Result` with the keys ``score`` and ``variant`` (of the mean cosine "raw" or "centred", of the components the share of
    the variance, of the dimension the estimator; else None), and arrays ``spectrum`` (d,), ``coordinate shares`` (d,)
    where there is a cone, ``hub counts`` (n,).

    Raises `InputError` for fewer than 4 distinct rows, and for rows equally far from each other; warns where rows are no
    more than dimensions.
    """
    points = embeddings_of(points, "geometry")
    x = _distinct(points, "geometry")
    n, d = x.shape
    if n < 4:
        raise InputError(f"geometry: expected at least 4 distinct rows, got {n}; add points")
    if n <= d:
        warnings.warn(
            f"geometry: {n} rows in {d} dimensions span at most {n - 1}, so ranks, components and dimensions are lower "
            "bounds; add rows for the set's own",
            SampleWarning,
            stacklevel=2,
        )
    few = x[np.sort(stream(seed, "sample").permutation(n)[:max_points])]
    counts, of_neighbours = _neighbour_rows(few, k, seed)
    values, of_covariance = _covariance_rows(x, seed)
    arrays = {"spectrum": values, "hub counts": counts}
    rows = _cone_rows(x, seed)
    if rows[0].value > 0:
        arrays["coordinate shares"] = cone.coordinate_shares(x)
        rows.append(_rogue_row(x, seed))
    rows += [_uniformity_row(few), *of_covariance, *of_neighbours]
    for name in estimators:
        rows.append(_jackknifed("dimension", name, partial(dimension.by_scikit_dimension, estimator=name), few, seed))
    made = provenance(
        "geometry", stamp=points.stamp, seed=seed, k=k, max_points=max_points, estimators=list(estimators)
    )
    return Result("geometry", Table(rows, ("score", "variant")), arrays=arrays, provenance=made)


def _distinct(points: Embeddings, doing: str) -> np.ndarray:
    """Unit vectors, each direction once."""
    x = unit(finite_vectors(points, doing))
    kept = originals(x) == np.arange(len(x))
    if not kept.all():
        warnings.warn(
            f"{doing}: {(~kept).sum()} of {len(x)} rows are duplicates of others and were left out",
            SampleWarning,
            stacklevel=3,
        )
    return x[kept]


def _cone_rows(x: np.ndarray, seed: int) -> list[Row]:
    """The mean cosine, raw and centred, and the norm of the mean."""
    return [
        pairs_row("mean cosine", "raw", cone.mean_cosine(x), 0.0, cone.conformity(x)),
        _jackknifed("mean cosine", "centred", lambda part: cone.mean_cosine(cone.centred(part)), x, seed, chance=0.0),
        _jackknifed("norm of the mean", None, cone.mean_norm, x, seed),
    ]


def _rogue_row(x: np.ndarray, seed: int) -> Row:
    """The largest share of a coordinate in the mean cosine; its interval is that of this coordinate."""
    largest = int(cone.coordinate_shares(x).argmax())

    def share(part: np.ndarray) -> float:
        sums = part.sum(axis=0) ** 2 - (part**2).sum(axis=0)
        return float(sums[largest] / sums.sum())

    return _jackknifed("largest coordinate's share of the mean", None, share, x, seed, chance=1 / x.shape[1])


def _uniformity_row(x: np.ndarray) -> Row:
    close = contrast.closeness(x)
    half = float(1.96 * 2 * close.std(ddof=1) / (np.sqrt(len(x)) * close.mean()))
    value = contrast.uniformity(x)
    return set_row("uniformity", value=value, low=value - half, high=min(0.0, value + half), n=len(x))


def _covariance_rows(x: np.ndarray, seed: int) -> tuple[np.ndarray, list[Row]]:
    """The spectrum (d,), and what is made of it."""
    values, n = spectrum.spectrum(x), len(x)
    without = spectrum.spectra_without(x, groups(n, seed=seed))
    rows = []
    for score, statistic in (
        ("participation ratio", spectrum.participation_ratio),
        ("effective rank", spectrum.effective_rank),
    ):
        low, high = left_out(statistic(values), [statistic(each) for each in without])
        rows.append(set_row(score, value=statistic(values), low=low, high=high, n=n))
    for share in (0.9, 0.95, 0.99):
        low, high = spectrum.components_interval(values, without, share)
        rows.append(
            set_row("components", f"{share:.0%}", value=spectrum.components_for(values, share), low=low, high=high, n=n)
        )
    return values, rows


def _neighbour_rows(x: np.ndarray, k: int, seed: int) -> tuple[np.ndarray, list[Row]]:
    """How many lists each point is in (n,), and what neighbours say of the set: its dimension, its hubs."""
    m = len(x)
    k, wide = min(k, m - 1), min(20, m - 1)
    every, group = neighbourhoods(x, max(k, wide, 2)), groups(m, seed=seed)
    counts = hubness.occurrences_of(every.nearest(k).distances, every.nearest(k).rows)
    chances = {"skew of k-occurrences": 0.0, "largest hub's share of lists": k / m}
    statistics = {
        ("dimension", "TwoNN"): lambda near: dimension.two_nn_of(near.nearest(2).distances),
        ("dimension", "MLE"): lambda near: dimension.levina_bickel_of(near.nearest(wide).distances),
        ("skew of k-occurrences", None): lambda near: hubness.skewness(_counts(near, k)),
        ("largest hub's share of lists", None): lambda near: float(_counts(near, k).max() / len(near.rows)),
    }
    rows = []
    for (score, variant), statistic in statistics.items():
        value = statistic(every)
        low, high = left_out(value, [statistic(every.without(group == g, wide)) for g in range(group.max() + 1)])
        rows.append(set_row(score, variant, value=value, chance=chances.get(score), low=low, high=high, n=m))
    return counts, rows


def _counts(near: Neighbourhoods, k: int) -> np.ndarray:
    """In how many lists of the ``k`` nearest each point is (n,)."""
    return np.bincount(near.rows[:, :k].ravel(), minlength=len(near.rows))


def _jackknifed(
    score: str, variant: str | None, statistic: Callable, x: np.ndarray, seed: int, chance: float | None = None
) -> Row:
    value = statistic(x)
    low, high = jackknife(statistic, x, value=value, seed=seed)
    return set_row(score, variant, value=value, chance=chance, low=low, high=high, n=len(x))
