"""The probe of continuous factors: planted values, chance, and scikit-learn's ridge."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from clipspace import Embeddings
from clipspace.errors import InputError, SampleWarning
from clipspace.measure.ridge import ridge_predictions
from clipspace.probes.ridge_regression import ridge


@pytest.fixture
def points(rng):
    x = rng.normal(size=(600, 10)) + 2
    half = x[:, 0] + rng.normal(size=600)  # half of its variance is noise
    return Embeddings(x, columns={"exact": x @ np.arange(10), "half": half, "noise": rng.normal(size=600)})


def test_r2_is_the_share_of_variance_that_was_planted(points):
    scores = ridge(points, ["exact", "half", "noise"])
    assert scores["exact"].value > 0.999
    assert scores["half"].low < 0.5 < scores["half"].high
    assert abs(scores["noise"].value) < 0.1
    assert scores["noise"].chance == 0


def test_predictions_are_those_of_scikit_learn(points):
    y = np.stack([points.columns["half"], points.columns["noise"]], axis=1)
    ours = ridge_predictions(points.vectors, y, points.vectors[:7], np.array([0.1, 100.0]))
    for i, strength in enumerate([0.1, 100.0]):
        assert np.allclose(ours[i], Ridge(alpha=strength).fit(points.vectors, y).predict(points.vectors[:7]))


def test_a_test_set_of_ones_own(points):
    scores = ridge(points[:400], ["half"], held_out=(points[400:], ["half"]))
    assert scores["half"].n == 200


def test_held_out_rows_of_one_value_are_refused(rng):
    points = Embeddings(rng.normal(size=(40, 3)))
    with pytest.raises(InputError, match="vary in the held-out rows"):
        ridge(points, {"y": [1.0, -1.0] * 20}, held_out=(Embeddings(rng.normal(size=(5, 3))), {"y": [0.0] * 5}))


def test_bad_input_is_refused(points):
    with pytest.raises(InputError, match="'flat' to vary"):
        ridge(points, {"flat": np.ones(600)})
    with pytest.raises(InputError, match="NaN"):
        ridge(points, {"bad": np.full(600, np.nan)})
    with pytest.raises(InputError, match="linear for labels"):
        ridge(points, {"words": ["a", "b"] * 300})
    with pytest.raises(InputError, match="expected 600 labels"):
        ridge(points, {"short": [1.0, 2.0]})
    with pytest.raises(InputError, match="at least one target"):
        ridge(points, {})
    with pytest.raises(InputError, match="above 0"):
        ridge(points, ["half"], strengths=[0.0])
    with pytest.warns(SampleWarning, match="10 dimensions"):
        ridge(points[:11], ["half"])
