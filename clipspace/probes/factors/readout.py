"""Read-out: how much of a factor a linear map, or the nearest neighbours, can tell from z."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from clipspace.errors import InputError, SampleWarning, shortened
from clipspace.points import sphere
from clipspace.points.arrays import as_points
from clipspace.probes.factors.factor import features
from clipspace.probes.factors.resampled import Measure, measured
from clipspace.results.provenance import provenance
from clipspace.results.result import Result

if TYPE_CHECKING:
    from clipspace.points.embeddings import Embeddings
    from clipspace.points.store import Store

STRENGTHS = np.logspace(-2, 4, 13)
NEIGHBOURS = 10
SHUFFLES = 3
FEWEST = 20


def read_out(
    points: Embeddings | Store | np.ndarray, values: Sequence[Any], *, period: float | None = None, seed: int = 0
) -> Result:
    """Skill of a linear and of a nearest-neighbour read-out of ``values`` from ``points``, on held-out halves.

    The key is ``component``: "linear" and "neighbours".

    Skill is ``1 - loss / chance``, where loss is the error rate for labels and the squared error for amounts,
    and chance the loss of the same read-out trained on shuffled values: 0 is chance, 1 is perfect, below 0 is
    worse than chance. Linear is ridge regression on standardised directions (labels as one column each), its
    strength chosen by leave-one-out on the training half; neighbours vote by cosine, 10 of them.

    Raises `InputError` for values of another length, one value only, a label that occurs once, NaN, or fewer
    than 20 points; warns for fewer training points than dimensions, and for duplicate points.

    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(200, 8))
    >>> bool(read_out(z, (z[:, 0] > 0).tolist())["linear"].value > 0.8)
    True
    """
    points = as_points(points)[:]
    linear, neighbours = read_out_skills(points.vectors, values, period=period, seed=seed)
    rows = [linear.row(component="linear"), neighbours.row(component="neighbours")]
    options = {"neighbours": NEIGHBOURS, "period": period}
    return Result("read_out", rows, provenance=provenance("read_out", stamp=points.stamp, seed=seed, **options))


def read_out_skills(
    vectors: np.ndarray, values: Sequence[Any], *, period: float | None = None, seed: int = 0
) -> tuple[Measure, Measure]:
    """The linear and the nearest-neighbour skill from directions of ``vectors``; see `read_out`."""
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
    rng = np.random.default_rng([seed, 1])
    train, test = halves(targets, labels, rng)
    skills = []
    for fit in (linear_map, _neighbours):
        loss = _loss(fit(vectors[train], targets[train])(vectors[test]), targets[test], labels)
        shuffled = [
            _loss(fit(vectors[train], rng.permutation(targets[train]))(vectors[test]), targets[test], labels)
            for _ in range(SHUFFLES)
        ]
        skills.append(measured(loss, np.mean(shuffled, axis=0), seed=seed))
    return skills[0], skills[1]


def linear_map(vectors: np.ndarray, targets: np.ndarray):
    """A ridge regression from ``vectors`` to ``targets``, as a function of other vectors."""
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), RidgeCV(STRENGTHS)).fit(vectors, targets).predict


def halves(targets: np.ndarray, labels: bool, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two halves of the rows, each label shared out evenly between them."""
    order = rng.permutation(len(targets))
    if labels:
        order = order[np.argsort(targets[order].argmax(axis=1), kind="stable")]
    return np.sort(order[0::2]), np.sort(order[1::2])


def _neighbours(vectors: np.ndarray, targets: np.ndarray):
    from sklearn.neighbors import KNeighborsRegressor

    fitted = KNeighborsRegressor(min(NEIGHBOURS, len(vectors)), algorithm="brute").fit(vectors, targets)
    return fitted.predict


def _loss(predicted: np.ndarray, targets: np.ndarray, labels: bool) -> np.ndarray:
    """Loss of each row: 1 for a wrong label, the squared error of an amount."""
    predicted = predicted.reshape(targets.shape)
    if labels:
        return (predicted.argmax(axis=1) != targets.argmax(axis=1)).astype(float)
    return ((predicted - targets) ** 2).sum(axis=1)


def _warn_of(vectors: np.ndarray) -> None:
    n, d = vectors.shape
    if n // 2 < d:
        warnings.warn(
            f"read-out: {n // 2} points to learn from in {d} dimensions; a factor that is there may be missed: add images",
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
