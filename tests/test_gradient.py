"""Inversion without a decoder, on the mini CLIP: the embedding comes back."""

import numpy as np
import pytest
import torch
from PIL import Image

from clipspace import gradient, load_space
from clipspace.errors import CapabilityError, InputError
from clipspace.scenes import render, sample_scenes


@pytest.fixture(scope="module")
def optimising():
    return load_space("mini", decoder="gradient", device="cpu")


def test_the_embedding_of_held_out_scenes_comes_back(optimising):
    points = optimising.encode_images([render(s) for s in sample_scenes(4, seed=91)])
    images = optimising.decode(points, seed=0, num_inference_steps=150)
    cosines = np.einsum("nd,nd->n", optimising.encode_images(images).unit, points.unit)
    assert cosines.mean() > 0.9
    assert "optimised" in images[0].info["clipspace"]


def test_it_is_deterministic_and_does_not_depend_on_the_batch(optimising):
    points = optimising.encode_images([render(s) for s in sample_scenes(2, seed=92)])
    together = optimising.decode(points, seed=3, num_inference_steps=3)
    alone = optimising.decode(points, seed=3, num_inference_steps=3, batch_size=1)
    for a, b in zip(together, alone, strict=True):
        # Kernels round otherwise for another batch, and where a gradient is nearly 0 Adam's first step may turn its sign.
        apart = np.abs(np.asarray(a, int) - np.asarray(b, int))
        assert apart.mean() < 0.01
        assert (apart > 1).mean() < 0.001


def test_what_it_cannot_do_is_refused(optimising):
    picture = Image.new("RGB", (64, 64))
    with pytest.raises(CapabilityError, match="no x_T"):
        optimising.invert(picture)
    with pytest.raises(InputError, match="positive integer"):
        optimising.decode(optimising.encode_images(picture), num_inference_steps=0)


def test_transforms_and_total_variation_are_what_they_say():
    flat = torch.full((2, 3, 16, 16), 0.25)
    assert torch.allclose(gradient.jitter(flat, [np.random.default_rng(i) for i in range(2)]), flat)
    assert gradient.total_variation(flat).tolist() == [0, 0]
    stripes = torch.zeros(1, 3, 16, 16)
    stripes[..., ::2] = 1
    assert gradient.total_variation(stripes).item() == pytest.approx(10)
    levels = gradient.pyramid(torch.zeros(1, 3, 64, 64))
    assert [level.shape[-1] for level in levels] == [8, 16, 32, 64]
    assert torch.allclose(gradient.render(levels, 64), torch.full((1, 3, 64, 64), 0.5))
