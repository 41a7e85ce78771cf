"""Held-out rows are held out, and labels that cannot be learnt are refused."""

import numpy as np
import pandas as pd
import pytest

from clipspace import Embeddings
from clipspace.errors import InputError, SampleWarning, SpaceMismatchError
from clipspace.measure.splits import stratify, warn_small
from clipspace.points.embeddings import Stamp
from clipspace.probes.labelled import split


@pytest.fixture
def points(rng):
    return Embeddings(rng.normal(size=(40, 3)), columns={"label": ["a", "b"] * 20})


def test_rows_are_divided_and_every_class_is_on_both_sides():
    ids = np.repeat([0, 1, 2], [50, 10, 2])
    kept, out = stratify(ids, 0.2, seed=3, doing="x")
    assert sorted([*kept, *out]) == list(range(62))
    assert np.bincount(ids[out]).tolist() == [10, 2, 1]
    assert np.array_equal(out, stratify(ids, 0.2, seed=3, doing="x")[1])
    assert not np.array_equal(out, stratify(ids, 0.2, seed=4, doing="x")[1])


def test_labels_may_be_a_column_or_values(points):
    named, given = split(points, "label", 0.25, doing="x"), split(points, ["a", "b"] * 20, 0.25, doing="x")
    assert named.classes == ("a", "b")
    assert np.array_equal(named.test, given.test)
    assert named.chance == 0.5


def test_a_test_set_of_ones_own_keeps_the_numbers_of_the_classes(points, rng):
    other = Embeddings(rng.normal(size=(4, 3)))
    made = split(points, "label", (other, ["b", "b", "a", "b"]), doing="x")
    assert made.test_ids.tolist() == [1, 1, 0, 1]
    assert len(made.train) == 40
    assert made.chance == 0.25


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a"] * 40, "at least two classes"),
        (["a"] * 39 + ["b"], "two members of every class.*'b'"),
        (["a", "b"], "expected 40 labels"),
        ([np.nan] + [1.0, 2.0] * 19 + [1.0], "NaN"),
        ("colour", r"\['label'\], got 'colour'"),
    ],
)
def test_labels_that_cannot_be_learnt_are_refused(points, labels, message):
    with pytest.raises(InputError, match=message):
        split(points, labels, 0.2, doing="x")


def test_bad_vectors_are_refused(points, rng):
    vectors = rng.normal(size=(40, 3))
    vectors[7, 1] = np.nan
    with pytest.raises(InputError, match=r"1 rows \(first \[7\]\)"):
        split(Embeddings(vectors), ["a", "b"] * 20, 0.2, doing="x")
    with pytest.raises(InputError, match="wrap arrays"):
        split(vectors, ["a", "b"] * 20, 0.2, doing="x")


def test_a_test_set_that_does_not_fit_is_refused(points, rng):
    with pytest.raises(InputError, match=r"got also \['c'\]"):
        split(points, "label", (points[:2], ["a", "c"]), doing="x")
    with pytest.raises(InputError, match="3 dimensions, got 2"):
        split(points, "label", (Embeddings(np.eye(2)), ["a", "b"]), doing="x")
    stamped = Embeddings(rng.normal(size=(2, 3)), Stamp("m", "w", "p", 3))
    with pytest.raises(SpaceMismatchError):
        split(points, "label", (stamped, ["a", "b"]), doing="x")
    with pytest.raises(InputError, match="between 0 and 1"):
        split(points, "label", 1.0, doing="x")


def test_vectors_on_both_sides_warn(points):
    with pytest.warns(SampleWarning, match="2 of 2 held-out vectors"):
        split(points, "label", (points[:2], ["a", "b"]), doing="x")
    rounded = points[:2].with_vectors(points.vectors[:2] * (1 + 1e-6))
    with pytest.warns(SampleWarning, match="2 of 2 held-out vectors"):
        split(points, "label", (rounded, ["a", "b"]), doing="x")


def test_no_more_rows_than_dimensions_warn():
    with pytest.warns(SampleWarning, match="10 training rows in 10 dimensions"):
        warn_small(10, 10, "x")


@pytest.mark.parametrize("hole", [None, float("nan"), pd.NA, pd.NaT])
def test_missing_labels_are_refused(rng, hole):
    from clipspace.probes.nearest_neighbours import knn

    points = Embeddings(rng.normal(size=(30, 4)))
    with pytest.raises(InputError, match="None or NaN"):
        knn(points, ["cat", "dog", hole] * 10, k=3)
