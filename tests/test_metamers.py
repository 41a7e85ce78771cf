"""Metamers of a planted decoder, and the plumbing on the mini space."""

import numpy as np
import pytest
from PIL import Image

from clipspace import Embeddings
from clipspace.errors import CapabilityError, InputError
from clipspace.manipulate import metamers
from clipspace.manipulate.one_point import farthest
from clipspace.sources.images import read_images
from clipspace.space import untrained_space


class Planted:
    """Sees only red. Its decoder draws the red it was asked for, any blue, and every third time the wrong red."""

    stamp, name, weights, guidance_scale, num_inference_steps = None, "planted", {}, 1.0, 5

    def noise(self, n):
        return n

    def encode_images(self, images):
        pictures, names = read_images(images)
        red = np.array([np.asarray(p)[..., 0].mean() / 255 for p in pictures])
        return Embeddings(np.stack([np.cos(red), np.sin(red)], axis=1), None, "image", names)

    def decode(self, points, *, seed, **_):
        rng = np.random.default_rng(seed)
        red = np.arctan2(*points.vectors.T[::-1]) * 255
        pixels = [(r if i % 3 else 255 - r, 0, rng.integers(256)) for i, r in enumerate(red)]
        return [Image.new("RGB", (8, 8), tuple(round(c) for c in p)) for p in pixels]


def test_metamers_agree_for_the_encoder_and_differ_for_us():
    start = Image.new("RGB", (8, 8), (20, 0, 0))
    found = metamers(Planted(), start, n=30, keep=4, same=0.999, seed=1)
    assert [(one["kind"], one["name"]) for one in found.provenance.inputs] == [("image", None)]
    reds = [np.asarray(image)[0, 0, 0] for image in found.images]
    blues = sorted(int(np.asarray(image)[0, 0, 2]) for image in found.images)
    assert all(abs(int(red) - 20) <= 1 for red in reds)
    assert np.diff(blues).min() > 30
    assert found.arrays["agreeing"] == 20
    assert (found.scores["cosine"] >= 0.999).all()
    assert found.scores["pixel distance"][0].min() == pytest.approx(np.diff(blues).min() / 255 / np.sqrt(3), abs=0.01)


def test_farthest_takes_the_widest_pair_first_and_no_row_twice(rng):
    points = rng.normal(size=(20, 2))
    distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
    chosen = farthest(distance, 6)
    assert distance[chosen[0], chosen[1]] == distance.max()
    assert len(set(chosen)) == 6
    assert len(farthest(distance, 50)) == 20
    assert sorted(farthest(np.zeros((5, 5)), 5)) == [0, 1, 2, 3, 4]


def test_metamers_on_the_mini_space_repeat(space, apple):
    how = {"n": 3, "keep": 2, "same": -1.0, "num_inference_steps": 2, "seed": 3}
    a, b = (metamers(space, apple, **how) for _ in range(2))
    assert [np.asarray(x).tolist() for x in a.images] == [np.asarray(x).tolist() for x in b.images]
    assert a.sheet().width > 200


def test_metamers_refuses_what_it_cannot_do(space, apple, house):
    with pytest.raises(InputError, match="lower `same`"):
        metamers(space, apple, n=2, keep=2, same=1.0, num_inference_steps=2)
    with pytest.raises(InputError, match="one image"):
        metamers(space, [apple, house])
    with pytest.raises(InputError, match="keep <= n"):
        metamers(space, apple, n=2, keep=3)
    with pytest.raises(CapabilityError, match="no decoder"):
        metamers(untrained_space("mini", seed=0, device="cpu"), apple)
