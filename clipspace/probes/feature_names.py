"""Names of the features of a sparse autoencoder: the label or word that tells best where one fires, scored on other rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from clipspace.errors import InputError
from clipspace.measure.auc import auc_interval, aucs
from clipspace.measure.column_structure import column
from clipspace.measure.cone import centred
from clipspace.points.arrays import check_one_space, embeddings_of
from clipspace.points.embeddings import Embeddings
from clipspace.points.sphere import unit
from clipspace.probes.labelled import finite_vectors
from clipspace.probes.sparse_autoencoder import SparseAutoencoder
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.results.table import Table, scored
from clipspace.seeds import stream

if TYPE_CHECKING:
    from clipspace.points.store import Store

LEAST = 10
"""Smallest number of rows, in either half, on which a named feature fires, and on which it does not."""


def name_features(
    autoencoder: SparseAutoencoder,
    points: Embeddings | Store,
    *,
    columns: Mapping[str, Sequence] | None = None,
    words: Embeddings | None = None,
    least: int = LEAST,
    seed: int = 0,
) -> Result:
    """For each feature the name that tells best on which rows of ``points`` it fires: chosen on one half, scored on the other.

    Candidates are each label of ``columns`` ("color: red"), each number of them, high and low ("x: high"), and each of the
    ``words``, embedded texts, by their cosines to the points, both sets less their means. The score is the AUC: how often a row
    on which the feature fires has more of the name than one on which it does not. Chance is 1/2, since other rows choose.

    Rows, the best first, have the keys ``feature``, a number, and ``name``; ``chosen at`` is the AUC on the half that chose,
    ``active`` the share of all rows on which it fires. The best of many rows looks better than it is; its interval is its own.

    Features that fire on fewer than ``least`` rows of either half, or on all but so few, are left out. Raises `InputError`
    without a candidate, and for columns of another length.
    """
    points = embeddings_of(points, "name_features")
    names, candidates = _candidates(points, columns or {}, words)
    codes = autoencoder.codes(points)
    order = stream(seed, "halves").permutation(len(points))
    first, second = np.array_split(order, 2)
    fires = [np.asarray((codes[half] > 0).sum(axis=0)).ravel() for half in (first, second)]
    enough = [
        (count >= least) & (len(half) - count >= least) for count, half in zip(fires, (first, second), strict=True)
    ]
    features = np.flatnonzero(enough[0] & enough[1])
    chosen_at = np.nan_to_num(aucs(codes[first][:, features], candidates[first]))
    held_out = aucs(codes[second][:, features], candidates[second])
    rows = []
    for i, feature in enumerate(features):
        best = int(chosen_at[i].argmax())
        count, value = int(fires[1][feature]), float(held_out[i, best])
        low, high = auc_interval(value, count, len(second) - count)
        row = scored(feature=int(feature), name=names[best], value=value, chance=0.5, low=low, high=high, n=len(second))
        active = float(fires[0][feature] + count) / len(points)
        rows.append(row | {"chosen at": float(chosen_at[i, best]), "active": active})
    rows.sort(key=lambda row: -row["value"])
    options = {"candidates": len(names), "least": least, "left_out": codes.shape[1] - len(rows)}
    made = provenance("name_features", stamp=points.stamp, seed=seed, **options)
    return Result("name_features", Table(rows, ("feature", "name")), provenance=made)


def _candidates(
    points: Embeddings, columns: Mapping[str, Sequence], words: Embeddings | None
) -> tuple[list[str], np.ndarray]:
    """Names, and how much of each every row has (n, c)."""
    names, scores = [], []
    for name, values in columns.items():
        if len(values) != len(points):
            raise InputError(f"name_features: expected {len(points)} values of {name!r}, one a row, got {len(values)}")
        held = column(values)
        if "labels" in held:
            names += [f"{name}: {label}" for label in held["labels"]]
            scores += [held["codes"] == i for i in range(len(held["labels"]))]
        elif np.isfinite(held["numbers"]).any():
            numbers = np.where(np.isfinite(held["numbers"]), held["numbers"], np.nanmedian(held["numbers"]))
            names += [f"{name}: high", f"{name}: low"]
            scores += [numbers, -numbers]
    table = np.array(scores, dtype=np.float64).T.reshape(len(points), len(names))
    if words is not None:
        check_one_space(words, points, "name_features")
        x, t = (centred(unit(finite_vectors(one, "name_features"))) for one in (points, words))
        names, table = [*names, *words.names], np.hstack([table, x @ t.T])
    if not names:
        raise InputError("name_features: expected columns with a value, or words, got none")
    return names, table
