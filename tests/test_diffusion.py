from dataclasses import replace

import numpy as np
import pytest
import tiny
import torch
from diffusers import DDIMScheduler

from clipspace.diffusion import inversion, sampling
from clipspace.diffusion.denoiser import denoiser_of
from clipspace.diffusion.schedule import Schedule, clipping
from clipspace.errors import InputError
from clipspace.models.decoders.pixel_decoder import PixelDecoder

STEPS = 20


@pytest.fixture(scope="module")
def unet():
    return tiny.pixel_unet()


def _decoder(unet, **config):
    scheduler = DDIMScheduler(clip_sample=False, timestep_spacing="trailing", **config)

    def spacing(n):
        scheduler.set_timesteps(n)
        return scheduler.timesteps.tolist()

    schedule = Schedule(
        scheduler.alphas_cumprod.double(),
        float(scheduler.final_alpha_cumprod),
        scheduler.config.prediction_type,
        spacing,
    )
    return PixelDecoder(unet, schedule, unshuffle=2, clip="x"), scheduler


CONFIGS = [
    {"prediction_type": p, "beta_schedule": b, "set_alpha_to_one": one}
    for p, b, one in [
        ("v_prediction", "linear", False),
        ("v_prediction", "squaredcos_cap_v2", True),
        ("epsilon", "scaled_linear", False),
        ("sample", "linear", False),
        ("sample", "linear", True),
    ]
]


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("eta", [0.0, 0.7])
@pytest.mark.parametrize("guidance_scale", [1.0, 3.0])
def test_sample_equals_diffusers_ddim(unet, config, eta, guidance_scale):
    decoder, scheduler = _decoder(unet, **config)
    z = torch.randn(3, 6, generator=torch.Generator().manual_seed(1))
    x_T = torch.randn(3, 12, 4, 4, generator=torch.Generator().manual_seed(2))
    ours = decoder.draw(
        z, x_T, num_inference_steps=STEPS, guidance_scale=guidance_scale, eta=eta,
        rngs=[np.random.default_rng(i) for i in range(3)],
    )  # fmt: skip
    rngs = [np.random.default_rng(i) for i in range(3)]
    scheduler.set_timesteps(STEPS)
    x, cond, null = x_T, decoder.condition(z), decoder.null_condition(3)
    for t in scheduler.timesteps:
        free, guided = (unet(x, t, encoder_hidden_states=None, class_labels=c).sample for c in (null, cond))
        out = free + guidance_scale * (guided - free)
        noise = sampling.draw_noise((12, 4, 4), rngs) if eta > 0 else None
        x = scheduler.step(out, t, x, eta=eta, variance_noise=noise).prev_sample
    assert torch.allclose(ours, x, atol=1e-4 * x.abs().max())


@pytest.mark.parametrize("config", CONFIGS[:4])
@pytest.mark.parametrize("steps", [20, 50])
def test_exact_inversion_is_undone_by_sampling(unet, config, steps):
    decoder, _ = _decoder(unet, **config)
    generator = torch.Generator().manual_seed(3)
    x_0, z = torch.rand(4, 12, 4, 4, generator=generator) * 2 - 1, torch.randn(4, 6, generator=generator)
    errors = {}
    for method in ("exact", "ddim"):
        code = decoder.invert(z, x_0, num_inference_steps=steps, method=method)
        again = decoder.draw(z, code.noise, num_inference_steps=steps)
        errors[method] = (again - x_0).square().mean().sqrt().item()
        if method == "ddim":
            assert (code.evaluations == steps).all()
    assert errors["exact"] < 1e-3
    assert errors["exact"] < errors["ddim"] / 5


@pytest.mark.parametrize("lost_for_good", [False, True])
def test_a_row_that_is_lost_on_the_way_is_inverted_again_alone(unet, monkeypatch, lost_for_good):
    decoder, _ = _decoder(unet, **CONFIGS[0])
    generator, solve, sizes = torch.Generator().manual_seed(3), inversion._solve_step, []
    x_0, z = torch.rand(4, 12, 4, 4, generator=generator) * 2 - 1, torch.randn(4, 6, generator=generator)

    def losing_row_2(network, schedule, x_s, guess, t, *rest):
        found = solve(network, schedule, x_s, guess, t, *rest)
        sizes.append(len(x_s))
        row = {4: 2, 1: 0 if lost_for_good else None}[len(x_s)]
        if t < 100 and row is not None:
            found.x[row] = guess[row] + 0.3
        return found

    monkeypatch.setattr(inversion, "_solve_step", losing_row_2)
    code = decoder.invert(z, x_0, num_inference_steps=20)
    again = decoder.draw(z, code.noise, num_inference_steps=20)
    errors = (again - x_0).square().mean(dim=(1, 2, 3)).sqrt()
    assert (errors[[0, 1, 3]] < 1e-3).all()
    assert (errors[2] < 1e-3).item() is not lost_for_good
    assert torch.allclose(code.residual, errors, rtol=0.1, atol=1e-5)
    assert code.evaluations.argmax() == 2
    assert sizes == [4] * 20 + [1] * 20 * (inversion.RESTARTS if lost_for_good else 1)


class Ridge:
    """A decoder whose sampling enlarges one direction a million times and leaves the others alone."""

    latent_shape = (64,)

    def __init__(self, dtype):
        alphas = DDIMScheduler().alphas_cumprod.double()
        self.schedule = Schedule(alphas, 1.0, "v_prediction", lambda n: np.arange(999, 0, -1000 // n))
        self.dtype, self.along = dtype, torch.full((64,), 64**-0.5, dtype=dtype)

    def condition(self, embeds):
        return embeds

    def predict(self, x_t, t, cond):
        x_t = x_t.to(self.dtype)
        return -16 * (x_t @ self.along)[:, None] * self.along

    def enlarged(self, x_T):
        ends = [
            sampling.sample(denoiser_of(self, torch.ones(1, 1)), self.schedule, x, num_inference_steps=STEPS)
            for x in (x_T, x_T + 1e-6 * self.along)
        ]
        return (ends[1] - ends[0]).norm().item() / 1e-6


def _inverted(ridge, x_0, z):
    return inversion.invert(denoiser_of(ridge, z), ridge.schedule, x_0, num_inference_steps=STEPS)


def test_where_sampling_enlarges_an_error_a_million_times_only_float64_holds_a_code():
    x_0, z = torch.randn(16, 64, generator=torch.Generator().manual_seed(0)), torch.ones(16, 1)
    assert 2e5 < Ridge(torch.float64).enlarged(torch.zeros(1, 64, dtype=torch.float64)) < 1e8
    single = _inverted(Ridge(torch.float32), x_0, z)
    double = _inverted(Ridge(torch.float64), x_0.double(), z)
    assert single.residual.median() > inversion.CONVERGED  # rounding is kind to some of the rows
    assert (double.residual < inversion.CONVERGED / 10).all()
    assert double.noise.dtype == torch.float64


@pytest.mark.parametrize("prediction", ["v_prediction", "epsilon", "sample"])
def test_a_step_that_changes_nothing_is_inverted_like_any_other(unet, prediction):
    decoder, _ = _decoder(unet, prediction_type=prediction, set_alpha_to_one=False)
    decoder.schedule = replace(decoder.schedule, spacing=lambda n: [600, 300, 0])
    assert decoder.schedule.step(0, None)[:2] == (1.0, 0.0)
    generator = torch.Generator().manual_seed(3)
    x_0, z = torch.rand(2, 12, 4, 4, generator=generator) * 2 - 1, torch.randn(2, 6, generator=generator)
    code = decoder.invert(z, x_0, num_inference_steps=3)
    again = decoder.draw(z, code.noise, num_inference_steps=3)
    assert (again - x_0).square().mean().sqrt() < 1e-3


def test_a_schedule_that_starts_without_signal_is_inverted(unet):
    decoder, _ = _decoder(unet, prediction_type="v_prediction", set_alpha_to_one=False, rescale_betas_zero_snr=True)
    assert decoder.schedule.alpha(999) < 1e-12
    generator = torch.Generator().manual_seed(3)
    x_0, z = torch.rand(2, 12, 4, 4, generator=generator) * 2 - 1, torch.randn(2, 6, generator=generator)
    decoder.schedule = replace(decoder.schedule, alphas_cumprod=decoder.schedule.alphas_cumprod.clone())
    decoder.schedule.alphas_cumprod[-1] = 0.0
    code = decoder.invert(z, x_0, num_inference_steps=STEPS)
    again = decoder.draw(z, code.noise, num_inference_steps=STEPS)
    assert (again - x_0).square().mean().sqrt() < 1e-3


def test_a_row_that_is_not_finite_costs_no_other(unet):
    decoder, _ = _decoder(unet, **CONFIGS[0])
    generator = torch.Generator().manual_seed(3)
    x_0, z = torch.rand(2, 12, 4, 4, generator=generator) * 2 - 1, torch.randn(2, 6, generator=generator)
    x_0[1, 0, 0, 0] = torch.nan
    code = decoder.invert(z, x_0, num_inference_steps=STEPS)
    again = decoder.draw(z, code.noise, num_inference_steps=STEPS)
    assert (again[0] - x_0[0]).square().mean().sqrt() < 1e-3
    assert not code.residual[1] <= inversion.CONVERGED
    assert code.evaluations[1] == 0


def test_a_row_whose_network_answers_nan_is_not_asked_again_and_again(unet):
    decoder, _ = _decoder(unet, **CONFIGS[0])
    predict = decoder.predict
    decoder.predict = lambda x, t, cond: predict(x, t, cond).where(cond[:, :1, None, None] < 100, torch.nan)
    z = torch.ones(2, 6)
    z[1] = 1e6
    decoder.condition = lambda embeds: embeds
    code = decoder.invert(z, torch.zeros(2, 12, 4, 4), num_inference_steps=STEPS, restarts=0)
    assert code.evaluations[1] <= 3 * STEPS
    assert code.residual[0] < 1e-3
    assert not code.residual[1] <= inversion.CONVERGED


def test_exact_inversion_asks_the_network_once_for_a_first_guess(unet):
    """Each step solved tells the network's output where the next one starts from."""
    decoder, _ = _decoder(unet, **CONFIGS[0])
    solved = []
    with pytest.MonkeyPatch.context() as patch:
        solve = inversion._solve_step
        patch.setattr(inversion, "_solve_step", lambda *given: solved.append(solve(*given)) or solved[-1])
        code = decoder.invert(torch.ones(1, 6), torch.zeros(1, 12, 4, 4), num_inference_steps=STEPS)
    assert code.evaluations.item() == 1 + sum(found.evaluations.item() for found in solved)


def test_inversion_and_sampling_agree_under_guidance(unet):
    decoder, _ = _decoder(unet, **CONFIGS[0])
    x_0, z = torch.zeros(1, 12, 4, 4), torch.ones(1, 6)
    settings = {"num_inference_steps": 40, "guidance_scale": 2.0}
    code = decoder.invert(z, x_0, **settings)
    again = decoder.draw(z, code.noise, **settings)
    assert (again - x_0).square().mean().sqrt() < 1e-3


def test_a_step_that_keeps_nothing_cannot_be_inverted(unet):
    decoder, _ = _decoder(unet, **CONFIGS[4])
    with pytest.raises(InputError, match="no inverse"):
        decoder.invert(torch.ones(1, 6), torch.zeros(1, 12, 4, 4), num_inference_steps=5)


def test_a_schedule_that_clips_x_0_is_not_inverted(unet):
    decoder, _ = _decoder(unet, **CONFIGS[0])
    denoiser, clipped = denoiser_of(decoder, torch.ones(1, 6)), replace(decoder.schedule, limit=clipping(1.0))
    with pytest.raises(InputError, match=r"no inverse; pass schedule\.without_limit"):
        inversion.invert(denoiser, clipped, torch.zeros(1, 12, 4, 4), num_inference_steps=5)


@pytest.mark.parametrize("guidance_scale", [1.0, 2.5])
def test_rows_of_a_denoiser_are_told_what_they_were_told_in_the_batch(unet, guidance_scale):
    decoder, _ = _decoder(unet, **CONFIGS[0])
    generator = torch.Generator().manual_seed(4)
    x, z = torch.randn(3, 12, 4, 4, generator=generator), torch.randn(3, 6, generator=generator)
    denoiser, rows = denoiser_of(decoder, z, guidance_scale), torch.tensor([2, 0])
    assert torch.allclose(denoiser[rows](x[rows], 300), denoiser(x, 300)[rows], atol=1e-5)


@pytest.mark.parametrize("steps", [0, -3, 1001, 2.5])
def test_a_wrong_number_of_steps_is_refused(unet, steps):
    decoder, _ = _decoder(unet)
    with pytest.raises(InputError, match="from 1 to 1000"):
        decoder.schedule.timesteps(steps)


def test_eta_without_generators_is_refused(unet):
    decoder, _ = _decoder(unet)
    with pytest.raises(InputError, match="rngs"):
        decoder.draw(torch.ones(1, 6), torch.zeros(1, 12, 4, 4), num_inference_steps=2, eta=1.0)


def test_noise_of_a_row_does_not_depend_on_the_batch():
    both = sampling.draw_noise((2, 3), [np.random.default_rng(i) for i in (5, 6)])
    alone = sampling.draw_noise((2, 3), [np.random.default_rng(6)])
    assert torch.equal(both[1:], alone)
    assert both.dtype == torch.float32
