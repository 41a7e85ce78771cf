import numpy as np
import pytest
from sklearn.linear_model import Ridge

from clipspace.errors import InputError, SpaceMismatchError
from clipspace.points.alignment import fit_adapter, load_adapter
from clipspace.points.embeddings import Embeddings, Stamp
from clipspace.scenes import render, sample_scenes
from clipspace.space import untrained_space

A, B = (Stamp(name, name * 16, "0" * 16, 6) for name in "ab")


@pytest.fixture
def pair(rng):
    x = rng.normal(size=(300, 6)) + 1
    return Embeddings(x, A), Embeddings(x @ rng.normal(size=(6, 6)) + 0.3 * rng.normal(size=(300, 6)), B)


def test_the_map_is_scikit_learn_s_ridge(pair):
    adapter = fit_adapter(*pair, strengths=(0.1,), seed=3)
    order = np.random.default_rng(3).permutation(300)[120:]
    x, y = pair[0].vectors[order], pair[1].vectors[order]
    alpha = 0.1 * np.square(x - x.mean(axis=0)).sum() / 6
    expected = Ridge(alpha=alpha).fit(x, y)
    assert np.allclose(adapter.matrix.T, expected.coef_)
    assert np.allclose(adapter.offset, expected.intercept_)


def test_it_finds_a_planted_map_and_nothing_in_noise(pair, rng):
    """36 rows in 40 dimensions are fitted whatever they are mapped to: only rows held out tell noise from a map."""
    assert fit_adapter(*pair).cosine > 0.95
    x, noise = (Embeddings(rng.normal(size=(60, 40)), Stamp(name, name * 16, "0" * 16, 40)) for name in "ab")
    lost = fit_adapter(x, noise, strengths=(1e-6,), seed=5)
    seen = np.random.default_rng(5).permutation(60)[24:]
    assert np.einsum("nd,nd->n", lost(x).unit, noise.unit)[seen].mean() > 0.99
    assert abs(lost.cosine) < 0.2


def test_it_carries_the_other_stamp_and_comes_back_from_disk(pair, tmp_path):
    adapter = fit_adapter(*pair)
    adapter.save(tmp_path / "a.safetensors")
    again = load_adapter(tmp_path / "a.safetensors")
    assert np.array_equal(adapter(pair[0]).vectors, again(pair[0]).vectors)
    assert again(pair[0]).stamp == B
    assert (again.cosine, again.chance, again.held_out) == (adapter.cosine, adapter.chance, 60)
    with pytest.raises(SpaceMismatchError):
        adapter(pair[1])
    (tmp_path / "b").write_bytes(b"no")
    with pytest.raises(InputError, match=r"Adapter\.save"):
        load_adapter(tmp_path / "b")


def test_rows_that_do_not_belong_together_are_refused(pair):
    with pytest.raises(InputError, match="same images"):
        fit_adapter(pair[0], pair[1][:200])
    with pytest.raises(InputError, match="two spaces"):
        fit_adapter(pair[0], pair[0])
    with pytest.raises(InputError, match="10 rows"):
        fit_adapter(pair[0][:5], pair[1][:5])


def test_the_mini_decoder_draws_points_of_another_encoder(space):
    pictures = [render(s) for s in sample_scenes(120, seed=77)]
    other = untrained_space("mini", seed=1, device="cpu")
    adapter = fit_adapter(other.encode_images(pictures), space.encode_images(pictures))
    assert adapter.cosine > adapter.chance
    assert len(space.decode(adapter(other.encode_images(pictures[:1])), num_inference_steps=1)) == 1
