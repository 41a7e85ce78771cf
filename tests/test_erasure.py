"""Concept erasure against the library of its authors, its two conditions, and the factors of rendered scenes."""

import numpy as np
import pytest
from planted import planted

from clipspace import Embeddings
from clipspace.errors import InputError, SpaceMismatchError
from clipspace.measure.erasure import leace
from clipspace.points.stamps import Stamp
from clipspace.points.store import write_store
from clipspace.probes import erase, fit_eraser, load_eraser
from clipspace.probes.factors import read_out, scene_factors
from clipspace.scenes import render, sample_scenes

STAMP = Stamp("a", "a" * 16, "0" * 16, 6)


@pytest.fixture
def correlated(rng):
    """Points of unlike variances and common mean, and a label and an amount that they tell linearly."""
    z = rng.normal(size=(400, 6)) @ rng.normal(size=(6, 6)) + 3
    return z, np.digitize(z[:, 0], [1, 3, 5]).tolist(), z[:, 1] + rng.normal(size=400)


def _cross(x, columns):
    return (x - x.mean(axis=0)).T @ (columns - columns.mean(axis=0)) / len(x)


def test_it_is_the_map_of_the_library_of_its_authors(correlated):
    torch, oracle = pytest.importorskip("torch"), pytest.importorskip("concept_erasure")
    z, labels, _ = correlated
    one_hot = torch.nn.functional.one_hot(torch.tensor(labels)).double()
    exact = {"shrinkage": False, "constrain_cov_trace": False, "svd_tol": 1e-9}
    theirs = oracle.LeaceFitter.fit(torch.from_numpy(z), one_hot, **exact).eraser
    ours = fit_eraser(z, labels, normalize=False)
    assert ours.left.shape[1] == 3
    np.testing.assert_allclose(ours.left @ ours.right, theirs.proj_left @ theirs.proj_right, atol=1e-9)
    np.testing.assert_allclose(ours.apply(z).vectors, theirs(torch.from_numpy(z)), rtol=1e-5, atol=1e-5)


def test_nothing_correlates_with_the_concept_and_the_mean_stays(correlated):
    z, labels, amount = correlated
    for values, columns in ((labels, np.eye(4)[labels]), (amount.tolist(), amount[:, None])):
        for normalize in (True, False):
            eraser = fit_eraser(z, values, normalize=normalize)
            x = z / np.linalg.norm(z, axis=1, keepdims=True) if normalize else z
            erased = x - (x - eraser.mean) @ eraser.right.T @ eraser.left.T
            assert np.abs(_cross(x, columns)).max() > 0.05
            assert np.abs(_cross(erased, columns)).max() < 1e-12
            np.testing.assert_allclose(erased.mean(axis=0), x.mean(axis=0), atol=1e-12)


def test_no_other_map_that_erases_moves_the_points_less(correlated, rng):
    """Of maps A with A cross = 0, those near the answer, and the orthogonal projection, all cost more."""
    z, labels, _ = correlated
    cross, covariance = _cross(z, np.eye(4)[labels]), np.cov(z.T, bias=True)
    left, right = leace(covariance, cross)
    basis = np.linalg.svd(cross, full_matrices=False)[0][:, :3]
    free = np.eye(6) - basis @ basis.T  # any change of A whose rows are in here keeps A cross = 0

    def cost(removed):
        return np.trace(removed @ covariance @ removed.T)

    best = cost(left @ right)
    assert best < cost(basis @ basis.T)
    assert all(cost(left @ right + 0.1 * rng.normal(size=(6, 6)) @ free) > best for _ in range(20))


def test_points_of_fewer_dimensions_than_their_space_are_erased(rng):
    """Rows in a plane of 6 dimensions: the covariance has no inverse."""
    z = rng.normal(size=(50, 2)) @ rng.normal(size=(2, 6))
    label = (z[:, 0] > 0).tolist()
    left, right = leace(np.cov(z.T), _cross(z, np.eye(2)[np.array(label, int)]))
    erased = z - (z - z.mean(axis=0)) @ (left @ right).T
    assert left.shape[1] == 1
    assert np.abs(_cross(erased, np.array(label, float)[:, None])).max() < 1e-12


def test_an_angle_is_erased_as_a_point_of_the_circle(rng):
    angle = rng.uniform(0, 360, 600)
    z = rng.normal(size=(600, 8))
    z[:, :2] += 3 * np.stack([np.cos(np.radians(angle)), np.sin(np.radians(angle))], axis=1)
    assert read_out(z, angle.tolist(), period=360.0)["linear"].value > 0.8
    assert read_out(erase(z, angle.tolist(), period=360.0), angle.tolist(), period=360.0)["linear"].value < 0.02
    assert read_out(erase(z, angle.tolist()), angle.tolist(), period=360.0)["linear"].value > 0.3


def test_it_is_fitted_on_one_set_and_applied_to_another(rng):
    """On other rows a share of about d / n is left; half of the value was there before."""
    z, value = planted(rng, 8000, d=16)
    eraser = fit_eraser(z[:4000], value[:4000].tolist())
    other, truth = z[4000:], value[4000:].tolist()
    assert read_out(other, truth)["linear"].value > 0.4
    assert read_out(eraser.apply(other), truth)["linear"].value < 0.02


def test_the_length_of_rows_tells_nothing_after_it(rng):
    label = rng.random(2000) < 0.5
    z = (rng.normal(size=(2000, 8)) + 5 * np.eye(8)[0]) * np.where(label, 1.5, 1.0)[:, None]
    lengths = np.linalg.norm(z, axis=1)
    assert lengths[label].mean() / lengths[~label].mean() > 1.4
    erased = erase(z, label.tolist())
    assert abs(erased.norm[label].mean() / erased.norm[~label].mean() - 1) < 0.01
    assert erased.norm.mean() == pytest.approx(lengths.mean(), rel=0.05)


def test_a_factor_of_scenes_is_gone_and_the_others_stay(space):
    scenes = sample_scenes(900, seed=4002, layout="one")
    points = space.encode_images([render(scene) for scene in scenes])
    values = {f.name: f.values for f in scene_factors(scenes) if f.name in ("thing", "color", "size", "ground")}
    before = {name: read_out(points, values[name])["linear"].value for name in values}
    assert min(before.values()) > 0.85
    for name in ("color", "size"):
        erased = erase(points, values[name])
        for other in values:
            after = read_out(erased, values[other])["linear"].value
            assert after < 0.02 if other == name else after > before[other] - 0.02


def test_it_is_saved_and_loaded(tmp_path, rng):
    points = Embeddings(rng.normal(size=(60, 6)).astype("f4"), STAMP, names=[f"n{i}" for i in range(60)])
    points = Embeddings(points.vectors, STAMP, names=points.names, columns={"kind": ["a", "b", "c"] * 20})
    for normalize in (True, False):
        eraser, path = fit_eraser(points, "kind", normalize=normalize), tmp_path / f"{normalize}.safetensors"
        eraser.save(path)
        again = load_eraser(path)
        assert (again.apply(points).vectors == eraser.apply(points).vectors).all()
        assert again.stamp == STAMP
        assert (again.n, again.norm) == (eraser.n, eraser.norm)
    erased = eraser.apply(points)
    assert (erased.stamp, list(erased.names), erased.columns) == (STAMP, list(points.names), points.columns)
    with pytest.raises(InputError, match=r"Eraser\.save"):
        load_eraser(__file__)
    with pytest.raises(InputError, match="exists"):
        eraser.save(path)


def test_a_store_is_erased_as_its_points_are(tmp_path, rng):
    points = Embeddings(rng.normal(size=(60, 6)).astype("f4"), STAMP, columns={"kind": ["a", "b", "c"] * 20})
    store = write_store(tmp_path / "store", [points[:25], points[25:]])
    np.testing.assert_allclose(erase(store, "kind").vectors, erase(points, "kind").vectors, atol=1e-6)


def test_what_cannot_be_erased_is_refused(rng):
    z = Embeddings(rng.normal(size=(60, 6)), STAMP)
    with pytest.raises(InputError, match="at least two different values"):
        fit_eraser(z, ["a"] * 60)
    with pytest.raises(InputError, match="60 labels"):
        fit_eraser(z, ["a", "b"])
    with pytest.raises(InputError, match="nothing would be left"):
        fit_eraser(z, [f"a{i % 20}" for i in range(60)])
    bad = z.vectors.copy()
    bad[3] = np.nan
    with pytest.raises(InputError, match="row 3"):
        fit_eraser(bad, ["a", "b"] * 30)
    eraser = fit_eraser(z, ["a", "b"] * 30)
    with pytest.raises(SpaceMismatchError):
        eraser.apply(Embeddings(z.vectors, Stamp("b", "b" * 16, "0" * 16, 6)))
    with pytest.raises(InputError, match="6 dimensions"):
        eraser.apply(z.vectors[:, :3])
