"""A planted sparse dictionary is found, its features are points to decode, and another library's weights mean the same."""

import numpy as np
import pytest
import torch

from clipspace import Embeddings
from clipspace.errors import InputError, SampleWarning, SpaceMismatchError
from clipspace.measure import dictionary
from clipspace.measure.dictionary import Dictionary
from clipspace.points.embeddings import Stamp
from clipspace.points.sphere import unit
from clipspace.points.store import write_store
from clipspace.probes.sparse_autoencoder import SparseAutoencoder, fit_autoencoder, load_autoencoder
from clipspace.scenes import render, sample_scenes

STAMP = Stamp("planted", "0" * 16, "0" * 16, 32)
HOW = {"features": 64, "k": 3, "steps": 600, "learning_rate": 1e-2, "device": "cpu"}


def planted(n=6000, d=32, m=64, used=3):
    """Points about a far mean, each the sum of 3 of 64 directions and a little noise; norms of about 9."""
    rng = np.random.default_rng(5)
    directions = unit(rng.normal(size=(m, d)))
    codes = np.zeros((n, m))
    for row in codes:
        row[rng.choice(m, used, replace=False)] = rng.uniform(0.5, 1.5, used)
    centred = codes @ directions + 0.02 * rng.normal(size=(n, d))
    points = unit(4 * unit(rng.normal(size=d)) + centred) * rng.uniform(8, 10, (n, 1))
    return Embeddings(points.astype(np.float32), STAMP), directions


@pytest.fixture(scope="module")
def sets():
    return planted()


@pytest.fixture(scope="module")
def fitted(sets):
    return fit_autoencoder(sets[0], **HOW)


def test_the_planted_directions_are_found(sets, fitted):
    directions = sets[1]
    best = (unit(directions) @ fitted.directions.T).max(axis=1)
    drawn = unit(np.random.default_rng(0).normal(size=fitted.directions.shape))
    assert np.median(best) > 0.97
    assert (best > 0.9).mean() > 0.85
    assert np.median((directions @ drawn.T).max(axis=1)) < 0.6  # what directions at random would reach
    assert np.allclose(np.linalg.norm(fitted.directions, axis=1), 1, atol=1e-5)


def test_scores_are_those_of_held_out_rows(sets, fitted):
    points, scores = sets[0], fitted.scores
    assert scores["explained variance"].value > 0.85 > scores["explained variance"].chance
    assert scores["cosine"].value > 0.9 > scores["cosine"].chance + 0.5
    assert scores["features per image"].value == pytest.approx(3, abs=0.1)
    assert scores["dead features"].value < 0.1
    assert (scores["cosine"].n, scores["dead features"].n) == (600, 5400)
    codes = fitted.codes(points).toarray()
    x = (points.unit - fitted.mean) / fitted.scale
    lost = ((x - codes @ fitted.directions) ** 2).sum() / (x**2).sum()
    assert fitted.evaluate(points)["explained variance"].value == pytest.approx(1 - lost, abs=1e-5)
    assert (codes >= 0).all()
    assert ((codes > 0).sum(axis=1) <= 3).all()


def test_without_sparse_structure_far_less_is_explained(fitted):
    noise = Embeddings(np.random.default_rng(1).normal(size=(2000, 32)), STAMP)
    explained = fit_autoencoder(noise, **HOW | {"steps": 200}).scores["explained variance"].value
    assert explained < fitted.scores["explained variance"].value / 2


def test_it_repeats_by_seed_and_reads_a_store(sets, tmp_path):
    points = sets[0][:500]
    few = HOW | {"steps": 20, "features": 32}
    first, again = fit_autoencoder(points, **few), fit_autoencoder(write_store(tmp_path / "s", points), **few)
    unit_store = write_store(tmp_path / "u", points, normalized=True)
    assert np.array_equal(first.directions, again.directions)
    assert first.evaluate(write_store(tmp_path / "t", points)).to_json() == first.evaluate(points).to_json()
    assert fit_autoencoder(unit_store, **few).norm == pytest.approx(first.norm, rel=1e-5)
    assert not np.array_equal(first.directions, fit_autoencoder(points, seed=1, **few).directions)
    assert len(fit_autoencoder(points, max_points=100, **few).scores.arrays["cosine"]) == 10


def test_a_feature_is_a_point_of_the_space(sets, fitted):
    points = fitted.embeddings([3, 5], strength=1.0)
    assert points.stamp == STAMP
    assert points.names == ("feature 3", "feature 5")
    assert np.allclose(points.norm, sets[0].norm.mean(), rtol=0.01)
    made = unit(points.vectors) - unit(fitted.embeddings([0], strength=0.0).vectors)
    assert (unit(made) @ fitted.directions[[3, 5]].T).diagonal().min() > 0.9
    assert (fitted.codes(points).toarray().argmax(axis=1) == [3, 5]).all()
    assert len(fitted.embeddings()) == 64


def test_features_of_the_mini_space_are_decoded_one_at_a_time(space):
    points = space.encode_images([render(s) for s in sample_scenes(80, seed=3)])
    found = fit_autoencoder(points, features=16, k=4, steps=50, device="cpu")
    images = space.decode(found.embeddings([0, 1]), num_inference_steps=1)
    assert [image.size for image in images] == [(64, 64)] * 2
    assert np.allclose(found.rebuilt(points).norm, points.norm, rtol=1e-4)


def test_it_comes_back_from_disk(sets, fitted, tmp_path):
    fitted.save(tmp_path / "a.safetensors")
    again = load_autoencoder(tmp_path / "a.safetensors")
    assert np.array_equal(again.codes(sets[0][:50]).toarray(), fitted.codes(sets[0][:50]).toarray())
    assert again.scores["cosine"] == fitted.scores["cosine"]
    assert (again.stamp, again.norm, again.modality) == (fitted.stamp, fitted.norm, "image")
    (tmp_path / "b").write_bytes(b"no")
    with pytest.raises(InputError, match=r"SparseAutoencoder\.save"):
        load_autoencoder(tmp_path / "b")


def test_weights_of_another_library_mean_the_same(sets):
    """overcomplete's layers, put in here as they are, give its codes."""
    try:
        from overcomplete.sae import TopKSAE
    except Exception as error:  # it also breaks on newer versions of what it imports
        pytest.skip(f"overcomplete cannot be imported: {error}")
    points = sets[0]
    x = torch.from_numpy((points.unit - points.unit.mean(axis=0)).astype(np.float32))
    torch.manual_seed(0)
    theirs = TopKSAE(32, 64, top_k=3).eval()
    linear = theirs.encoder.final_block[0]
    arrays = (theirs.get_dictionary(), linear.weight, linear.bias)
    layers = Dictionary(*(a.detach().numpy() for a in arrays))
    ours = SparseAutoencoder(layers, 3, points.unit.mean(axis=0), 1.0, 9.0, STAMP)
    assert np.allclose(ours.codes(points).toarray(), theirs.encode(x)[1].detach().numpy(), atol=1e-5)


def test_the_auxiliary_loss_brings_dead_features_back(sets, fitted, monkeypatch):
    alive = fitted.scores["dead features"].value
    monkeypatch.setattr(dictionary, "_AUXILIARY", 0.0)
    assert alive < 0.02 < fit_autoencoder(sets[0], **HOW).scores["dead features"].value


def test_bad_input_is_refused(sets, fitted):
    points = sets[0]
    with pytest.raises(InputError, match="k <= features"):
        fit_autoencoder(points, features=4, k=5)
    with pytest.raises(InputError, match="10 rows or more"):
        fit_autoencoder(points[:5])
    with pytest.raises(InputError, match="held_out between"):
        fit_autoencoder(points, held_out=1.0)
    with pytest.raises(InputError, match="rows that differ"):
        fit_autoencoder(points[[0] * 40], features=4, k=1)
    with pytest.raises(InputError, match="expected Embeddings"):
        fit_autoencoder(points.vectors, features=4, k=1)
    with pytest.raises(InputError, match="NaN"):
        fit_autoencoder(points.with_vectors(np.where(np.arange(6000)[:, None] == 7, np.nan, points.vectors)), **HOW)
    with pytest.warns(SampleWarning, match="hold a row each"):
        fit_autoencoder(points[:40], features=64, k=2, steps=1, device="cpu")
    with pytest.raises(SpaceMismatchError):
        fitted.codes(Embeddings(points.vectors, Stamp("other", "1" * 16, "0" * 16, 32)))
    with pytest.raises(InputError, match="from 0 to 63"):
        fitted.embeddings([64])
    with pytest.raises(InputError, match="finite strength"):
        fitted.embeddings([0], strength=float("nan"))
