"""Inversion without a decoder, on the mini CLIP: the embedding comes back."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from clipspace import generate, load_space
from clipspace.diffusion import gradient
from clipspace.errors import CapabilityError, ConvergenceWarning, InputError
from clipspace.scenes import render, sample_scenes


@pytest.fixture(scope="module")
def optimising():
    return load_space("mini", decoder="gradient", device="cpu")


@pytest.mark.slow
def test_the_embedding_of_held_out_scenes_comes_back(optimising):
    points = optimising.encode_images([render(s) for s in sample_scenes(2, seed=91)])
    images = optimising.decode(points, seed=0, num_inference_steps=450)
    cosines = np.einsum("nd,nd->n", optimising.encode_images(images).unit, points.unit)
    assert cosines.mean() > 0.9
    assert "optimised" in images[0].info["clipspace"]


def test_the_same_seed_gives_the_same_picture(optimising):
    points = optimising.encode_images([render(s) for s in sample_scenes(2, seed=92)])
    first, again, other = (optimising.decode(points, seed=seed, num_inference_steps=3) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_row_does_not_depend_on_its_batch(optimising):
    """In float64, to an eighth of a grey level: with more threads kernels round otherwise for another batch, and ReLUs
    and Adam enlarge that to 7e-5 here; a draw shared between rows, or batch statistics, move pixels by more than 0.1."""
    encoder = copy.deepcopy(optimising.encoder)
    encoder.model.double()
    exact = SimpleNamespace(resolution=64, embed=encoder.differentiable)
    rng = torch.Generator().manual_seed(5)
    embeds, x_T = (torch.randn(2, *s, generator=rng, dtype=torch.float64) for s in ((128,), (3, 64, 64)))

    def pixels(rows):
        rngs = [np.random.default_rng([3, row]) for row in rows]
        return gradient.optimise(exact, embeds[rows], x_T[rows], num_inference_steps=6, rngs=rngs)

    torch.testing.assert_close(torch.cat([pixels([0]), pixels([1])]), pixels([0, 1]), rtol=0, atol=1e-3)


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
    assert torch.allclose(gradient.render(levels, (64, 64)), torch.full((1, 3, 64, 64), 0.5))


def test_guidance_and_few_steps_are_not_passed_over(optimising):
    with pytest.raises(CapabilityError, match="no guidance"):
        generate(optimising, "a red apple", n=1, source="none", num_inference_steps=2)
    point = optimising.encode_images(Image.new("RGB", (64, 64), "red"))
    with pytest.warns(ConvergenceWarning, match="2 steps are few"):
        optimising.decode(point, num_inference_steps=2)
