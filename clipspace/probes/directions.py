"""The geometry of a set of embeddings: cone, spectrum, dimension and hubs of its directions."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from clipspace.errors import InputError, SampleWarning
from clipspace.measure import cone, contrast, dimension, hubness, spectrum
from clipspace.measure.copies import originals
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
    """Where the directions of a set lie: cone, spectrum, dimension, hubs. Each function says how it depends on n.

    Duplicate rows are dropped with a warning: distances of 0 break the estimators. Measures of a covariance take
    all rows, those of pairs at most ``max_points``; ``n`` of each score says how many. ``estimators`` adds dimensions
    as scikit-dimension estimates them (`geometry.dimension.by_scikit_dimension`).

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
    k, m = min(k, len(few) - 1), len(few)
    values = spectrum.spectrum(x)
    counts = hubness.occurrences(few, k=k)
    arrays = {"spectrum": values, "hub counts": counts}
    rows = _cone_rows(x)
    if rows[0].value > 0:
        arrays["coordinate shares"] = cone.coordinate_shares(x)
        largest = float(arrays["coordinate shares"].max())
        rows.append(set_row("largest coordinate's share of the mean", value=largest, chance=1 / d, n=n))
    rows += [
        set_row("uniformity", value=contrast.uniformity(few), n=m),
        set_row("participation ratio", value=spectrum.participation_ratio(values), n=n),
        set_row("effective rank", value=spectrum.effective_rank(values), n=n),
        *(set_row("components", f"{s:.0%}", value=spectrum.components_for(values, s), n=n) for s in (0.9, 0.95, 0.99)),
        set_row("dimension", "TwoNN", value=dimension.two_nn(few), n=m),
        set_row("dimension", "MLE", value=dimension.levina_bickel(few, k=min(20, m - 1)), n=m),
        *(set_row("dimension", name, value=dimension.by_scikit_dimension(few, name), n=m) for name in estimators),
        set_row("skew of k-occurrences", value=hubness.skewness(counts), chance=0.0, n=m),
        set_row("largest hub's share of lists", value=float(counts.max() / m), chance=k / m, n=m),
    ]
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


def _cone_rows(x: np.ndarray) -> list[Row]:
    """The mean cosine, raw and centred, and the norm of the mean."""
    variants = {"raw": x, "centred": cone.centred(x)}
    return [
        *(
            pairs_row("mean cosine", variant, cone.mean_cosine(each), 0.0, cone.conformity(each))
            for variant, each in variants.items()
        ),
        set_row("norm of the mean", value=cone.mean_norm(x), n=len(x)),
    ]
