"""Read-outs of stated capacity: how well a factor is predicted from points."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from clipspace.errors import InputError, SampleWarning, shortened
from clipspace.measure.cross_fitting import FOLDS, REPEATS, Skills, cross_fit
from clipspace.measure.estimate import Estimate
from clipspace.points import sphere
from clipspace.points.arrays import as_points
from clipspace.probes.factors.factor import features
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.results.table import Row, scored

if TYPE_CHECKING:
    from clipspace.points.embeddings import Embeddings
    from clipspace.points.store import Store

FEWEST = 20


def read_out(
    points: Embeddings | Store | np.ndarray,
    values: Sequence[Any],
    *,
    period: float | None = None,
    capacities: Sequence[str] = ("linear", "neighbours"),
    seed: int = 0,
) -> Result:
    """Skill of read-outs of ``values`` from ``points``, cross-fitted: every point is held out once in each of two divisions.

    The key is ``component``: a capacity each, "linear", "neighbours" or "mlp".

    Skill is ``1 - loss / chance``, where loss is the error rate for labels and the squared error for amounts,
    and chance the loss of the same read-out trained on shuffled values: 0 is chance, 1 is perfect, below 0 is
    worse than chance. Linear is ridge regression on standardised directions (labels as one column each), its
    strength chosen by leave-one-out; neighbours vote by cosine, 10 of them; mlp is a perceptron of one hidden layer.
    The intervals are of the skill over other samples of this size (`clipspace.measure.cross_fitting`).

    Raises `InputError` for values of another length, one value only, a label that occurs once, NaN, or fewer
    than 20 points; warns for fewer training points than dimensions, and for duplicate points.

    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(200, 8))
    >>> bool(read_out(z, (z[:, 0] > 0).tolist())["linear"].value > 0.8)
    True
    """
    points = as_points(points)[:]
    vectors, targets, labels = checked(points.vectors, values, period=period)
    found = cross_fit(vectors, targets, labels=labels, capacities=capacities, control=False, seed=seed)
    rows = [row_of(found.skill[name], component=name) for name in capacities]
    options = {"capacities": list(capacities), "folds": FOLDS, "repeats": REPEATS, "period": period}
    return Result("read_out", rows, provenance=provenance("read_out", stamp=points.stamp, seed=seed, **options))


def row_of(estimate: Estimate, **keys: Any) -> Row:
    """An estimate as a row of a table, whose chance is 0."""
    interval = {"low": estimate.low, "high": estimate.high}
    return scored(**keys, value=estimate.value, chance=0.0, **interval, n=estimate.n)


def skills(x: np.ndarray, values: Sequence[Any], *, period: float | None, seed: int, **options: Any) -> Skills:
    """`cross_fit` of a factor's values, without the checks; ``options`` go to it."""
    targets, labels = features(values, period=period)
    return cross_fit(x, targets, labels=labels, seed=seed, **options)


def checked(
    vectors: np.ndarray, values: Sequence[Any], *, period: float | None = None
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Directions, targets and whether these are labels; see `read_out` for what is refused."""
    if len(values) != len(vectors):
        raise InputError(f"read-out: expected {len(vectors)} values, one per point, got {len(values)}")
    if len(vectors) < FEWEST:
        raise InputError(f"read-out: expected at least {FEWEST} points, got {len(vectors)}; add images")
    targets, labels = features(values, period=period)
    if labels and targets.sum(axis=0).min() < 2:
        once = [str(values[int(column.argmax())]) for column in targets.T if column.sum() < 2]
        raise InputError(
            f"read-out: expected each label twice or more, got {shortened(once)} once; "
            "a label must be there to learn from and to test on: drop it, merge rare labels, or make amounts of whole "
            "numbers by giving them as floats"
        )
    vectors = sphere.unit(vectors)
    _warn_of(vectors)
    return vectors, targets, labels


def _warn_of(vectors: np.ndarray) -> None:
    n, d = vectors.shape
    learned = n - n // FOLDS
    if learned < d:
        warnings.warn(
            f"read-out: {learned} points to learn from in {d} dimensions; a factor that is there may be missed: add images",
            SampleWarning,
            stacklevel=4,
        )
    repeated = n - len(np.unique(vectors, axis=0))
    if repeated:
        warnings.warn(
            f"read-out: {repeated} of {n} points are duplicates, which may be learned from and tested on: drop them",
            SampleWarning,
            stacklevel=4,
        )
