"""The linear probe of continuous factors: how much of a quantity a linear map reads off the embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from clipspace.errors import InputError, shortened
from clipspace.measure.bootstrap import bootstrap
from clipspace.measure.ridge import STRENGTHS, r2, ridge_predictions
from clipspace.measure.splits import warn_of_shared_rows, warn_small
from clipspace.points.arrays import check_one_space, embeddings_of
from clipspace.points.embeddings import Embeddings
from clipspace.probes.labelled import column, finite_vectors
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.results.table import scored

if TYPE_CHECKING:
    from clipspace.points.store import Store


def ridge(
    points: Embeddings | Store,
    targets: Mapping[str, Sequence] | Sequence[str],
    *,
    held_out: tuple[Embeddings | Store, Mapping[str, Sequence] | Sequence[str]] | float = 0.2,
    strengths: Sequence[float] = tuple(STRENGTHS),
    validation: float = 0.2,
    seed: int = 0,
) -> Result:
    """Share of the variance of each quantity that a linear map of the embeddings predicts on held-out rows.

    Minimises sum of squared errors + strength * |weights|^2; each target takes the strength that is best on a
    validation split of the training rows, and all training rows are then fitted again.

    Parameters
    ----------
    targets : ``{name: n numbers}``, or names of columns of ``points``. Give an angle as its sine and cosine.
    held_out : ``(points, targets)`` of a test set, or the share of rows to hold out

    Returns
    -------
    `Result` with the key ``target``: R2 of each against the mean of the training rows, whose own R2, 0, is chance. Below 0 the
    embeddings are worse than that mean.

    Raises `InputError` for a constant target; warns for fewer rows than dimensions.

    >>> points = Embeddings(np.random.default_rng(0).normal(size=(200, 8)))
    >>> ridge(points, {"x": points.vectors[:, 0]})["x"].value > 0.99
    True
    """
    points = embeddings_of(points, "ridge")
    strengths = np.asarray(strengths, dtype=np.float64)
    if not len(strengths) or not (strengths > 0).all():
        raise InputError(f"ridge: expected strengths above 0, got {shortened(strengths.tolist())}")
    (x, y), (test, truth), names = _rows(points, targets, held_out, seed)
    warn_small(len(x), x.shape[1], "ridge")
    rng = np.random.default_rng([seed, 1])
    order = rng.permutation(len(x))
    cut = _cut(len(x), validation)
    kept, out = order[cut:], order[:cut]
    errors = ((ridge_predictions(x[kept], y[kept], x[out], strengths) - y[out]) ** 2).sum(axis=1)
    best = strengths[errors.argmin(axis=0)]
    rows = []
    for i, name in enumerate(names):
        guess = ridge_predictions(x, y[:, [i]], test, best[[i]])[0, :, 0]
        error, spread = (truth[:, i] - guess) ** 2, (truth[:, i] - y[:, i].mean()) ** 2
        if not spread.any():
            raise InputError(f"ridge: expected {name!r} to vary in the held-out rows, got one value; hold out more")
        low, high = bootstrap(error, spread, statistic=r2, seed=seed)
        rows.append(scored(target=name, value=r2(error, spread), chance=0.0, low=low, high=high, n=len(test)))
    options = {"strengths": dict(zip(names, best.tolist(), strict=True)), "n_train": len(x)}
    return Result(
        "ridge",
        rows,
        arrays={"validation error": errors, "strengths": strengths},
        provenance=provenance("ridge", stamp=points.stamp, seed=seed, **options),
    )


def _rows(points, targets, held_out, seed):
    x, y, names = *_read(points, targets), list(targets)
    for name, values in zip(names, y.T, strict=True):
        if np.ptp(values) == 0:
            raise InputError(f"ridge: expected {name!r} to vary, got {values[0]} in every row; leave it out")
    if isinstance(held_out, tuple):
        other, other_targets = held_out
        check_one_space(points, other, "ridge")
        other = embeddings_of(other, "ridge")
        if list(other_targets) != names:
            raise InputError(f"ridge: expected held-out targets {shortened(names)}, got {shortened(other_targets)}")
        train, test = (x, y), _read(other, other_targets)
    else:
        order = np.random.default_rng(seed).permutation(len(x))
        cut = _cut(len(x), held_out)
        train, test = (x[order[cut:]], y[order[cut:]]), (x[order[:cut]], y[order[:cut]])
    warn_of_shared_rows(train[0], test[0], "ridge")
    return train, test, names


def _cut(n: int, share: float) -> int:
    if not 0 < share < 1 or n < 4:
        raise InputError(f"ridge: expected at least 4 rows and a share between 0 and 1, got {n} and {share}")
    return int(np.clip(round(share * n), 1, n - 2))


def _read(points: Embeddings, targets) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (n, d) and target values (n, t), float64."""
    x = finite_vectors(points, "ridge").astype(np.float64)
    if not len(x):
        raise InputError("ridge: expected rows to learn from, got none")
    named = targets if isinstance(targets, Mapping) else {name: name for name in targets}
    if not named:
        raise InputError("ridge: expected at least one target, got none")
    columns = [column(points, values, "ridge") for values in named.values()]
    for name, values in zip(named, columns, strict=True):
        if not np.issubdtype(values.dtype, np.number):
            raise InputError(f"ridge: expected numbers in {name!r}, got {values.dtype}; use linear for labels")
    return x, np.stack(columns, axis=1).astype(np.float64)
