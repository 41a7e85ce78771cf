"""Points and the labels they are probed for: finite vectors, labels that can be learnt, rows that are held out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from clipspace.errors import InputError, shortened
from clipspace.measure.splits import Split, stratify, warn_of_shared_rows
from clipspace.points.arrays import check_one_space, embeddings_of
from clipspace.points.embeddings import Embeddings
from clipspace.sequences import check_labels, in_order, is_missing

if TYPE_CHECKING:
    from clipspace.points.store import Store

HeldOut = tuple["Embeddings | Store", Sequence | str]


def split(
    points: Embeddings | Store, labels: Sequence | str, held_out: HeldOut | float, *, seed: int = 0, doing: str
) -> Split:
    """Training and test rows: ``held_out`` is a labelled set of its own, or the share drawn from each class.

    ``labels`` are n values, or the name of a column of ``points``. Raises `InputError` for NaN rows, labels of
    another length, a single class, a class of one member, and a held-out class that training never saw;
    warns when a held-out vector is also a training vector.
    """
    points = embeddings_of(points, doing)
    vectors, values = finite_vectors(points, doing), column(points, labels, doing)
    classes, ids = np.unique(values, return_inverse=True)
    if len(classes) < 2:
        raise InputError(f"{doing}: expected at least two classes, got only {classes.tolist()}; give more labels")
    if isinstance(held_out, tuple):
        check_one_space(points, held_out[0], doing)
        other = embeddings_of(held_out[0], doing)
        test, test_values = finite_vectors(other, doing), column(other, held_out[1], doing)
        if test.shape[1] != vectors.shape[1]:
            raise InputError(
                f"{doing}: expected held-out vectors of {vectors.shape[1]} dimensions, got {test.shape[1]}"
            )
        if not np.isin(test_values, classes).all():
            unseen = sorted(set(test_values.tolist()) - set(classes.tolist()))
            raise InputError(
                f"{doing}: expected held-out classes among {shortened(classes.tolist())}, got also {shortened(unseen)}; drop those"
            )
        made = Split(vectors, ids, test, np.searchsorted(classes, test_values), tuple(classes.tolist()))
    else:
        kept, out = stratify(ids, held_out, seed=seed, doing=doing, names=classes)
        made = Split(vectors[kept], ids[kept], vectors[out], ids[out], tuple(classes.tolist()))
    warn_of_shared_rows(made.train, made.test, doing)
    return made


def finite_vectors(points: Embeddings, doing: str) -> np.ndarray:
    """The vectors as given, float32 or float64. Raises `InputError` for NaN rows."""
    vectors = points.vectors if points.vectors.dtype == np.float64 else np.asarray(points.vectors, dtype=np.float32)
    bad = ~np.isfinite(vectors.sum(axis=1, dtype=np.float64))
    if bad.any():
        rows = np.flatnonzero(bad)[:5].tolist()
        raise InputError(
            f"{doing}: expected finite vectors, got NaN or infinity in {int(bad.sum())} rows (first {rows}); drop them"
        )
    return vectors


def check_words(words: Sequence[str], doing: str) -> None:
    """Raise `InputError` for words, or other texts, that are empty."""
    blank = [i for i, word in enumerate(words) if not word.strip()]
    if blank:
        raise InputError(f"{doing}: expected words, got {len(blank)} empty ones (first: row {blank[0]}); drop them")


def column(points: Embeddings, values: Sequence | str, doing: str) -> np.ndarray:
    """``n`` values of one kind: those given, or the column of that name. Raises `InputError` for another length, or NaN."""
    if isinstance(values, str):
        if values not in points.columns:
            raise InputError(f"{doing}: expected a column out of {shortened(points.columns)}, got {values!r}")
        values = points.columns[values]
    values = in_order(values, doing)
    check_labels(values, doing)
    array = np.asarray(values)
    if (array.dtype.kind in "OU" and any(is_missing(v) for v in values)) or (
        array.dtype.kind in "mM" and np.isnat(array).any()
    ):
        raise InputError(f"{doing}: expected a label for every vector, got None or NaN; drop those rows")
    if array.shape != (len(points),):
        raise InputError(f"{doing}: expected {len(points)} labels, one per vector, got shape {array.shape}")
    if array.dtype == object:
        array = array.astype(str)
    if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
        raise InputError(f"{doing}: expected finite values, got NaN or infinity; drop those rows")
    return array
