"""Where a limit of x_0 changes a step, and what `invert` says of it."""

import warnings

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler

from clipspace.diffusion import sampling
from clipspace.diffusion.denoiser import denoiser_of
from clipspace.diffusion.limits import unlimited_steps
from clipspace.diffusion.schedule import Schedule, clipping, thresholding
from clipspace.errors import ClippingWarning
from clipspace.space.inverting import Found, warn_limited

STEPS, WRONG_ABOVE = 20, 600


class Wrong:
    """A denoiser of Gaussian pixels whose x_0, above a timestep, is off by as much as it is told."""

    name = "wrong"

    def __init__(self, prediction, limit):
        scheduler = DDIMScheduler(beta_schedule="linear", timestep_spacing="trailing")
        scheduler.set_timesteps(STEPS)
        self.times, alphas = scheduler.timesteps.tolist(), scheduler.alphas_cumprod.double()
        self.schedule = Schedule(alphas, float(alphas[0]), prediction, lambda n: self.times, limit)

    def condition(self, embeds):
        return embeds

    def predict(self, x_t, t, cond):
        a = self.schedule.alpha(t)
        signal, noise, spread = a**0.5, (1 - a) ** 0.5, 0.1**2
        x_0 = signal * spread * x_t / (a * spread + 1 - a) + cond[:, :, None, None] * torch.sin(x_t) * (t > WRONG_ABOVE)
        eps = (x_t - signal * x_0) / noise
        return {"sample": x_0, "epsilon": eps, "v_prediction": signal * eps - noise * x_0}[self.schedule.prediction]


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("limit", [clipping(1.0), thresholding(0.9, 4.0)])
def test_the_last_unlimited_steps_are_those_that_both_samplers_take_alike(prediction, limit):
    network = Wrong(prediction, limit)
    denoiser = denoiser_of(network, torch.tensor([0.0, 4.0], dtype=torch.float64)[:, None])
    schedule, free = network.schedule, network.schedule.without_limit()
    x_T = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0)).double()
    x_0 = sampling.sample(denoiser, free, x_T, num_inference_steps=STEPS)
    count = unlimited_steps(denoiser, schedule, x_T, num_inference_steps=STEPS)
    assert count.tolist() == [STEPS, sum(t <= WRONG_ABOVE for t in network.times)]
    steps, k = free.steps(STEPS), count[1]
    for last, alike in ((k, True), (k + 1, False)):
        middle = sampling.take_steps(denoiser, free, x_T, steps[:-last])
        limited = sampling.take_steps(denoiser, schedule, middle, steps[-last:])
        assert torch.allclose(limited[0], x_0[0], atol=1e-6)
        assert torch.allclose(limited[1], x_0[1], atol=1e-6) is alike


def test_a_schedule_without_a_limit_takes_all_steps_alike():
    network = Wrong("epsilon", None)
    x_T = 100 * torch.ones(2, 3, 4, 4)
    count = unlimited_steps(denoiser_of(network, torch.ones(2, 1)), network.schedule, x_T, num_inference_steps=STEPS)
    assert count.tolist() == [STEPS, STEPS]


def test_numbers_that_are_not_finite_are_limited():
    network = Wrong("epsilon", clipping(1.0))
    x_T = torch.full((1, 3, 4, 4), torch.nan)
    count = unlimited_steps(denoiser_of(network, torch.ones(1, 1)), network.schedule, x_T, num_inference_steps=STEPS)
    assert count.tolist() == [0]


def _found(*unlimited):
    n = len(unlimited)
    return Found(np.zeros((n, 3)), np.array([0.0] * (n - 1) + [np.nan]), np.zeros(n), np.array(unlimited))


@pytest.mark.parametrize(
    ("unlimited", "message"),
    [
        ((20, 12, 13, 0), r"images \[1, 2\] hold.*clipped ones only from t=599 down to the image"),
        ((20, 0, 13, 0), r"clipped ones at no timestep.*code\.settings"),
    ],
)
def test_the_warning_names_the_timestep_from_which_on_nothing_is_clipped(unlimited, message):
    """The last row has no code at all."""
    with pytest.warns(ClippingWarning, match=message):
        warn_limited(_found(*unlimited), Wrong("epsilon", clipping(1.0)), STEPS)


def test_codes_that_the_authors_sampler_decodes_too_are_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_limited(_found(20, 20, 0), Wrong("epsilon", clipping(1.0)), STEPS)
