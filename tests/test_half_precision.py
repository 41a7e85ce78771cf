"""Decoders in half precision against float32, and schedules that half precision cannot stand."""

from functools import cache

import numpy as np
import pytest
import tiny
import torch
from diffusers.schedulers.scheduling_unclip import UnCLIPScheduler

from clipspace import load_space
from clipspace.diffusion import sampling
from clipspace.diffusion.denoiser import denoiser_of
from clipspace.errors import PrecisionError
from clipspace.models.precision import check_resolution
from clipspace.models.scheduler_config import load_schedule

STEPS = 5
HALF = {"bfloat16": 0.01, "float16": 0.0015}
"""Largest error of latents, as a share of their size: about twice the spacing of numbers at 1."""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("half")
    tiny.decoders(folder)
    return folder


@pytest.fixture(scope="module")
def loaded(home):
    """Spaces by decoder and dtype, each loaded once."""
    spaces = {}

    def load(name, dtype):
        if (name, dtype) not in spaces:
            options = {"decoder_options": {"upsample": False}} if name == "karlo" else {}
            clip = f"local-dir:{home / 'clip'}"
            spaces[name, dtype] = load_space(clip, decoder=home / name, device="cpu", dtype=dtype, **options)
        return spaces[name, dtype]

    return load


@pytest.fixture(scope="module")
def whole(loaded):
    """What each decoder draws in float32, drawn once."""
    return cache(lambda name: _drawn(loaded(name, "float32")))


def _drawn(space, *, clip_sample=True):
    decoder = space.decoder
    z = 3 * torch.randn(2, tiny.DIM, generator=torch.Generator().manual_seed(0))
    x_T = torch.randn(2, *decoder.latent_shape, generator=torch.Generator().manual_seed(1))
    return decoder.draw(z, x_T, num_inference_steps=STEPS, clip_sample=clip_sample)


def _share(error, of):
    return (error.square().mean().sqrt() / of.square().mean().sqrt()).item()


@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("name", ["kandinsky", "stable_unclip", "image_variations"])
def test_latents_are_those_of_float32_but_for_rounding(loaded, whole, name, dtype):
    half = _drawn(loaded(name, dtype))
    assert half.dtype == torch.float32
    assert 0 < _share(half - whole(name), whole(name)) < HALF[dtype]


@pytest.mark.parametrize("dtype", HALF)
def test_clipped_as_trained_karlo_stays_near_float32(loaded, whole, dtype):
    """Random weights push most of its pixels to an end of the range, where rounding changes the end of a few."""
    half = _drawn(loaded("karlo", dtype))
    assert half.abs().max() <= 1
    assert 0 < _share(half - whole("karlo"), whole("karlo")) < 0.15


@pytest.mark.parametrize("dtype", HALF)
def test_unclipped_steps_of_karlo_in_half_precision_are_refused(loaded, dtype):
    space = loaded("karlo", dtype)
    with pytest.raises(PrecisionError, match=rf"decode: .*t=999 divides by 4\.9e-05, got {dtype}.*'float32', or clip"):
        _drawn(space, clip_sample=False)
    with pytest.raises(PrecisionError, match=rf"invert: .*{dtype}.*dtype='float32'$"):
        space.invert(np.zeros((16, 16, 3), np.uint8), num_inference_steps=STEPS)
    assert len(space.decode(space.encode_images(np.zeros((16, 16, 3), np.uint8)), num_inference_steps=2)) == 1


class Rounded:
    """The ideal denoiser of pixels of standard deviation 0.45, which sees and answers in a precision of its own."""

    def __init__(self, schedule, dtype):
        self.schedule, self.dtype = schedule, dtype

    def condition(self, embeds):
        return embeds

    def predict(self, x_t, t, cond):
        a = self.schedule.alpha(t)
        eps = (1 - a) ** 0.5 * x_t.to(self.dtype).double() / (0.45**2 * a + 1 - a)
        return eps.to(self.dtype).to(x_t.dtype)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_what_is_refused_is_what_rounding_would_spoil(tmp_path, dtype):
    """Karlo's schedule at 50 steps: clipped, rounding costs little in any precision; unclipped, half precision is lost."""
    UnCLIPScheduler(variance_type="learned_range").save_pretrained(tmp_path / "scheduler")
    schedule = load_schedule(tmp_path)
    x_T = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    errors = {}
    for clip in (True, False):
        visited = schedule if clip else schedule.without_limit()
        exact, rounded = (
            sampling.sample(
                denoiser_of(Rounded(schedule, d), torch.zeros(4, 1)), visited, x_T.double(), num_inference_steps=50
            )
            for d in (torch.float64, dtype)
        )
        errors[clip] = (rounded - exact).square().mean().sqrt().item()
    assert errors[True] < 0.02
    assert (errors[False] < 1e-5) is (dtype == torch.float32)
    assert errors[False] > 0.04 or dtype == torch.float32
    check_resolution(schedule, 50, dtype, "decode")
    if dtype == torch.float32:
        check_resolution(schedule.without_limit(), 50, dtype, "decode")
    else:
        with pytest.raises(PrecisionError, match="decode: "):
            check_resolution(schedule.without_limit(), 50, dtype, "decode")
