import numpy as np
import pytest
from sklearn.decomposition import PCA as Reference
from sklearn.utils.estimator_checks import parametrize_with_checks

from clipspace.errors import InputError
from clipspace.pca import PCA


@parametrize_with_checks([PCA()])
def test_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


@pytest.mark.parametrize(("n", "d"), [(200, 16), (12, 30)])
def test_agrees_with_full_svd(rng, n, d):
    x = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 5
    ours, reference = PCA().fit(x), Reference(svd_solver="full").fit(x)
    k = min(n - 1, d)
    assert np.allclose(ours.explained_variance_[:k], reference.explained_variance_[:k])
    assert np.allclose(ours.explained_variance_ratio_[:k], reference.explained_variance_ratio_[:k])
    assert np.allclose(np.abs(np.sum(ours.components_[:k] * reference.components_[:k], axis=1)), 1)


def test_round_trip_and_truncation(rng):
    x = rng.normal(size=(100, 8))
    pca = PCA().fit(x)
    coordinates = pca.transform(x)
    assert np.allclose(pca.inverse_transform(coordinates), x)
    errors = [np.mean((pca.inverse_transform(coordinates[:, :k]) - x) ** 2) for k in range(1, 9)]
    assert np.all(np.diff(errors) < 0)
    assert np.isclose(errors[2] * 100 * 8 / 99, pca.explained_variance_[3:].sum())


def test_signs_are_fixed(rng):
    x = rng.normal(size=(50, 4))
    a, b = PCA().fit(x).components_, PCA().fit(x[::-1].copy()).components_
    assert np.allclose(a, b)


def test_too_many_components_are_refused(rng):
    with pytest.raises(InputError, match="n_components"):
        PCA(5).fit(rng.normal(size=(10, 4)))
    with pytest.raises(InputError, match="at most 4"):
        PCA().fit(rng.normal(size=(10, 4))).inverse_transform(np.zeros((1, 5)))
