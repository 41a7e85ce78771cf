"""The read-outs against scikit-learn's, fold by fold."""

import numpy as np
import pytest

from clipspace.measure.read_outs import NEIGHBOURS, STRENGTHS, linear, neighbours
from clipspace.seeds import stream


@pytest.fixture(params=[12, 150], ids=["more rows", "more columns"])
def world(request):
    rng = stream(0, "world")
    x = rng.standard_normal((120, request.param)) * np.linspace(0.1, 3, request.param) + 5
    targets = np.stack([x[:, :2] + rng.standard_normal((120, 2)), rng.standard_normal((120, 2))])
    return x, targets, np.tile(np.arange(120) % 4, (2, 1))


def test_linear_is_ridge_regression_of_the_strength_that_leave_one_out_chooses(world):
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, targets, folds = world
    out = linear(x, targets, folds, labels=False, seed=0)
    for task in range(2):
        test = folds[task] == 1
        oracle = make_pipeline(StandardScaler(), RidgeCV(STRENGTHS)).fit(x[~test], targets[task][~test])
        np.testing.assert_allclose(out[task, test], oracle.predict(x[test]), rtol=1e-5, atol=1e-5)


def test_neighbours_are_those_of_scikit_learn(world):
    from sklearn.neighbors import KNeighborsRegressor

    x, targets, folds = world
    out = neighbours(x, targets, folds, labels=False, seed=0)
    for task in range(2):
        test = folds[task] == 2
        oracle = KNeighborsRegressor(NEIGHBOURS).fit(x[~test].astype("f4"), targets[task][~test])
        np.testing.assert_allclose(out[task, test], oracle.predict(x[test].astype("f4")), atol=1e-6)
