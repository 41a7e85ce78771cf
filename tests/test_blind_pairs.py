"""Blind pairs against all pairs counted in numpy, and a planted one."""

import numpy as np
import pytest
from PIL import Image

from clipspace import Embeddings
from clipspace.errors import CheckpointError, InputError
from clipspace.probes import pairs as module
from clipspace.probes.pairs import blind_pairs, pair_rows, pixel_points


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("block", [7, 1024])
def test_pairs_are_those_that_counting_finds(rng, monkeypatch, block, centred):
    monkeypatch.setattr(module, "_BLOCK", block)
    a, b = Embeddings(rng.normal(size=(60, 6)) + 0.5), Embeddings(rng.normal(size=(60, 5)))
    found = blind_pairs(a, b, same=0.5, different=0.2, centred=centred, k=10**6)

    def cosines(points):
        unit = points.unit - centred * points.unit.mean(axis=0)
        unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
        return unit @ unit.T

    mask = np.triu((cosines(a) > 0.5) & (cosines(b) < 0.2), 1)
    assert {tuple(pair) for pair in found.arrays["pairs"]} == {tuple(pair) for pair in np.argwhere(mask)}
    assert found["count"].value == mask.sum()
    assert found["share"].value == pytest.approx(mask.sum() / (60 * 59 / 2))
    i, j = found.arrays["pairs"].T
    assert np.allclose(found.arrays["cosine"], cosines(a)[i, j], atol=1e-5)
    gaps = found.arrays["cosine"] - found.arrays["other_cosine"]
    assert (np.diff(gaps) <= 1e-6).all()
    few = blind_pairs(a, b, same=0.5, different=0.2, centred=centred, k=3)
    assert few.arrays["pairs"].tolist() == found.arrays["pairs"][:3].tolist()
    assert few["count"].value == found["count"].value


def test_a_planted_pair_is_found_and_shown(rng):
    pictures = [Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)) for _ in range(12)]
    seen = rng.normal(size=(12, 16))
    seen[7] = seen[2]
    found = blind_pairs(Embeddings(seen), pixel_points(pictures, side=16))
    assert found.arrays["pairs"].tolist() == [[2, 7]]
    ((first, second),) = pair_rows(pictures, found)
    assert (np.asarray(first) == np.asarray(pictures[2])).all()
    assert (np.asarray(second) == np.asarray(pictures[7])).all()
    assert blind_pairs(pixel_points(pictures), Embeddings(seen)).arrays["pairs"].shape == (0, 2)


def test_duplicate_images_are_no_blind_pair(rng):
    same = Embeddings(np.repeat(rng.normal(size=(1, 4)), 5, axis=0))
    assert blind_pairs(same, same)["count"].value == 0


def test_a_timm_model_is_a_second_opinion(apple, house, space):
    from clipspace.models.timm import encode_with_timm

    other = encode_with_timm([apple, house, apple], "test_vit", pretrained=False, device="cpu")
    assert other.stamp.model == "timm/test_vit"
    assert np.allclose(other.vectors[0], other.vectors[2], atol=1e-5)
    assert blind_pairs(space.encode_images([apple, house, apple]), other)["count"].value == 0
    with pytest.raises(CheckpointError, match="no_such_model"):
        encode_with_timm([apple], "no_such_model", pretrained=False)


def test_sets_that_do_not_fit_are_refused(rng):
    a, b = Embeddings(rng.normal(size=(4, 3))), Embeddings(rng.normal(size=(5, 3)))
    with pytest.raises(InputError, match="same images"):
        blind_pairs(a, b)
    with pytest.raises(InputError, match="other names"):
        blind_pairs(a, Embeddings(a.vectors, names=["x", "y", "z", "w"]))
    with pytest.raises(InputError, match="at least two"):
        blind_pairs(a[:1], a[:1])
    with pytest.raises(InputError, match="different < same"):
        blind_pairs(a, a, same=0.2, different=0.6)
    with pytest.raises(InputError, match="k of at least 1"):
        blind_pairs(a, a, k=0)
    broken = np.array(a.vectors)
    broken[2] = np.nan
    with pytest.raises(InputError, match="row 2"):
        blind_pairs(Embeddings(broken), a)


def test_thresholds_below_zero_count_each_pair_once(rng):
    from clipspace.points.sphere import unit

    a, b = (rng.normal(size=(40, 3)).astype(np.float32) for _ in range(2))
    upper = np.triu_indices(40, 1)
    expected = int((((unit(a) @ unit(a).T) > -0.1) & ((unit(b) @ unit(b).T) < -0.3))[upper].sum())
    found = blind_pairs(Embeddings(a), Embeddings(b), same=-0.1, different=-0.3)
    assert found["count"].value == expected
    assert len({tuple(pair) for pair in found.arrays["pairs"]}) == min(20, expected)
