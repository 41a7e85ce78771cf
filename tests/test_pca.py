import numpy as np
import pytest
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA as Reference
from sklearn.utils.estimator_checks import parametrize_with_checks

from clipspace.errors import InputError, SpaceMismatchError
from clipspace.points.embeddings import Embeddings, Stamp
from clipspace.points.pca import PCA


@parametrize_with_checks([PCA(normalize=False), PCA(1, center=False, normalize=False)])
def test_is_a_scikit_learn_estimator(estimator, check):
    before = estimator.get_params()
    check(estimator)  # raises what is wrong
    assert estimator.get_params() == before


@pytest.mark.parametrize(("n", "d"), [(200, 16), (12, 30), (12, 300)])
def test_agrees_with_full_svd(rng, n, d):
    x = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 5
    ours, reference = PCA(normalize=False).fit(x), Reference(svd_solver="full").fit(x)
    k = min(n - 1, d)
    assert np.allclose(ours.explained_variance_[:k], reference.explained_variance_[:k])
    assert np.allclose(ours.explained_variance_ratio_[:k], reference.explained_variance_ratio_[:k])
    assert np.allclose(np.abs(np.sum(ours.components_[:k] * reference.components_[:k], axis=1)), 1)


def test_round_trip_and_truncation(rng):
    x = rng.normal(size=(100, 8))
    pca = PCA(normalize=False).fit(x)
    coordinates = pca.transform(x)
    assert np.allclose(pca.inverse_transform(coordinates), x)
    errors = [np.mean((pca.inverse_transform(coordinates[:, :k]) - x) ** 2) for k in range(1, 9)]
    assert np.all(np.diff(errors) < 0)
    assert np.isclose(errors[2] * 100 * 8 / 99, pca.explained_variance_[3:].sum())


def test_signs_are_fixed(rng):
    x = rng.normal(size=(50, 4))
    a, b = PCA(normalize=False).fit(x).components_, PCA(normalize=False).fit(x[::-1].copy()).components_
    assert np.allclose(a, b)


def test_too_many_components_are_refused(rng):
    with pytest.raises(InputError, match="an integer, got '5'"):
        PCA("5", normalize=False).fit(rng.normal(size=(10, 6)))
    with pytest.raises(InputError, match="n_components"):
        PCA(5, normalize=False).fit(rng.normal(size=(10, 4)))
    with pytest.raises(InputError, match="at most 4"):
        PCA(normalize=False).fit(rng.normal(size=(10, 4))).inverse_transform(np.zeros((1, 5)))


def test_partial_fits_and_merges_are_one_fit(rng):
    x = rng.normal(size=(900, 10)) @ rng.normal(size=(10, 10)) + 3
    whole = PCA(4, normalize=False).fit(x)
    stepwise = PCA(4, normalize=False)
    for part in np.array_split(x, 7):
        stepwise.partial_fit(part)
    merged = PCA(4, normalize=False).fit(x[:100]).merge(PCA(4, normalize=False).fit(x[100:]))
    for other in (stepwise, merged):
        assert other.n_samples_seen_ == 900
        assert np.allclose(other.components_, whole.components_)
        assert np.allclose(other.explained_variance_ratio_, whole.explained_variance_ratio_)
        assert np.allclose(other.mean_, whole.mean_)


@pytest.mark.parametrize("k", [5, 40])
def test_float16_rows_span_the_subspace_that_float64_does(rng, k):
    x = rng.normal(size=(20_000, 64)) * np.arange(1, 65) ** -0.7 @ np.linalg.qr(rng.normal(size=(64, 64)))[0]
    x = (x + 0.3).astype(np.float16)
    exact = Reference(svd_solver="full").fit(x.astype(np.float64)).components_
    assert subspace_angles(PCA(normalize=False).fit(x).components_[:k].T, exact[:k].T).max() < 1e-3


def test_normalized_and_uncentred(rng):
    x = rng.normal(size=(300, 7)) + 1
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    pca = PCA(normalize=True).fit(x)
    assert np.allclose(pca.components_, PCA(normalize=False).fit(unit).components_)
    assert np.allclose(pca.inverse_transform(pca.transform(x)), unit)
    raw = PCA(center=False, normalize=False).fit(x)
    _, s, vt = np.linalg.svd(x, full_matrices=False)
    assert np.allclose(raw.explained_variance_, s**2 / 299)
    assert np.allclose(raw.explained_variance_ratio_, s**2 / np.sum(s**2))
    assert np.allclose(np.abs(np.sum(raw.components_ * vt, axis=1)), 1)
    assert not raw.mean_.any()


def test_saved_and_loaded_it_goes_on(rng, tmp_path):
    x = rng.normal(size=(200, 128))
    points = Embeddings(x, Stamp("a", "0" * 64, "1" * 64, 128))
    pca = PCA(6, normalize=True).fit(points)
    pca.save(tmp_path / "pca.safetensors")
    loaded = PCA.load(tmp_path / "pca.safetensors")
    assert loaded.stamp_ == points.stamp
    assert np.array_equal(loaded.transform(points), pca.transform(points))
    assert np.allclose(loaded.explained_variance_ratio_, pca.explained_variance_ratio_)
    more = Embeddings(rng.normal(size=(50, 128)), points.stamp)
    assert np.allclose(loaded.partial_fit(more).components_, pca.partial_fit(more).components_)
    with pytest.raises(InputError, match="exists"):
        pca.save(tmp_path / "pca.safetensors")
    (tmp_path / "other").write_bytes(b"no")
    with pytest.raises(InputError, match=r"PCA\.load"):
        PCA.load(tmp_path / "other")


def test_degenerate_rows(rng):
    few = PCA(normalize=False).fit(rng.normal(size=(3, 10)))
    assert few.components_.shape == (3, 10)
    assert np.isclose(few.explained_variance_[2], 0)
    for d in (4, 40):
        same = PCA(normalize=False).fit(np.ones((5, d)))
        assert np.allclose(same.explained_variance_ratio_, 0)
        assert np.allclose(same.components_ @ same.components_.T, np.eye(min(5, d)))
    for bad, message in (
        (np.ones((1, 4)), "n_samples"),
        (np.array([[1.0, np.nan], [0, 1], [1, 1]]), "NaN"),
    ):
        with pytest.raises(ValueError, match=message):
            PCA(normalize=False).fit(bad)
    with pytest.raises(InputError, match="row 1 "):
        PCA(normalize=True).fit(np.array([[1.0, 0], [0, 0], [1, 1]]))


def test_points_of_another_space_are_refused(rng):
    x = rng.normal(size=(20, 4))
    here, there = Stamp("a", "0" * 64, "1" * 64, 4), Stamp("b", "2" * 64, "1" * 64, 4)
    pca = PCA(normalize=False).fit(Embeddings(x, here))
    for call in (pca.transform, pca.partial_fit):
        with pytest.raises(SpaceMismatchError, match=r"a .*b "):
            call(Embeddings(x, there))
    with pytest.raises(SpaceMismatchError, match="merge"):
        pca.merge(PCA(normalize=False).fit(Embeddings(x, there)))
