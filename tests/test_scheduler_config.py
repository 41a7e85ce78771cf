"""A checkpoint's scheduler config against the scheduler of diffusers that it names."""

import json

import diffusers
import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from diffusers.schedulers.scheduling_unclip import UnCLIPScheduler

from clipspace.diffusion import sampling
from clipspace.diffusion.denoiser import denoiser_of
from clipspace.errors import CheckpointError, ConvergenceWarning
from clipspace.models.scheduler_config import KNOWN, load_schedule

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers")
STEPS, T = 10, 1000


def _write(folder, config):
    (folder / "scheduler").mkdir(exist_ok=True, parents=True)
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    return folder


def _schedule(folder, scheduler):
    scheduler.save_pretrained(folder / "scheduler")
    return load_schedule(folder)


class Small:
    """A network whose output depends on everything that it is given, and leaves [-1, 1] now and then."""

    latent_shape = (3, 4, 4)

    def __init__(self, schedule):
        self.schedule = schedule

    def condition(self, embeds):
        return embeds

    def predict(self, x_t, t, cond):
        return 1.5 * torch.tanh(x_t.flip(-1) + cond[:, :, None, None]) + t / 5000


X_T = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
Z = torch.randn(2, 3, generator=torch.Generator().manual_seed(1))


def _sample(network, x_T=X_T, *, clip=True, **options):
    schedule = network.schedule if clip else network.schedule.without_limit()
    return sampling.sample(denoiser_of(network, Z), schedule, x_T, num_inference_steps=STEPS, **options)


@pytest.mark.parametrize("name", KNOWN)
def test_the_noise_is_that_of_the_scheduler_named(tmp_path, name):
    """Its own defaults too: where a config says nothing of spacing, Euler's is linspace and DDIM's leading."""
    own = getattr(diffusers, name)(num_train_timesteps=500)
    schedule = _schedule(tmp_path, own)
    assert torch.equal(schedule.alphas_cumprod, own.alphas_cumprod.double())
    spacing = own.config.get("timestep_spacing", "linspace")
    expected = DDIMScheduler(num_train_timesteps=500, timestep_spacing=spacing)
    expected.set_timesteps(STEPS)
    assert schedule.timesteps(STEPS) == expected.timesteps.tolist()


def test_what_a_config_leaves_out_is_the_default_of_the_class_it_names(tmp_path):
    noise = {"num_train_timesteps": T, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
    pndm = load_schedule(_write(tmp_path, {"_class_name": "PNDMScheduler", **noise}))
    euler = load_schedule(_write(tmp_path, {"_class_name": "EulerDiscreteScheduler", **noise}))
    assert pndm.final_alpha_cumprod == float(pndm.alphas_cumprod[0])
    assert euler.final_alpha_cumprod == 1
    assert (pndm.timesteps(10)[0], euler.timesteps(10)[0]) == (900, 999)


def test_what_another_scheduler_reads_changes_nothing(tmp_path):
    """Published PNDM configs carry clip_sample, which PNDM does not read."""
    scheduler = diffusers.PNDMScheduler(beta_schedule="scaled_linear")
    config = {**scheduler.config, "_class_name": "PNDMScheduler", "clip_sample": True, "use_karras_sigmas": True}
    assert load_schedule(_write(tmp_path, config)).limit is None


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("limit", [{"clip_sample_range": 0.8}, {"thresholding": True, "sample_max_value": 1.5}])
def test_ddim_limits_x_0_as_diffusers_does(tmp_path, prediction, limit):
    ddim = DDIMScheduler(prediction_type=prediction, timestep_spacing="leading", **limit)
    network = Small(_schedule(tmp_path, ddim))
    ddim.set_timesteps(STEPS)
    x = X_T
    for t in ddim.timesteps:
        x = ddim.step(network.predict(x, int(t), Z), t, x).prev_sample
    ours = _sample(network)
    assert torch.allclose(ours, x, atol=1e-5)
    assert not torch.allclose(ours, _sample(network, clip=False), atol=1e-2)


@pytest.mark.parametrize("prediction", ["epsilon", "sample"])
def test_at_eta_1_clipped_steps_are_those_of_karlo_s_own_sampler(tmp_path, monkeypatch, prediction):
    """In float64 on both sides: in float32 its 1 - alpha keeps three digits of the first and the last step."""
    own = UnCLIPScheduler(variance_type="fixed_small_log", prediction_type=prediction, clip_sample_range=0.7)
    network = Small(_schedule(tmp_path, own))
    own.alphas_cumprod = network.schedule.alphas_cumprod
    own.alphas = own.alphas_cumprod / torch.cat([torch.ones(1), own.alphas_cumprod[:-1]])
    own.betas = 1 - own.alphas
    own.set_timesteps(STEPS)
    times, x = own.timesteps.tolist(), X_T.double()
    rngs = [np.random.default_rng(i) for i in range(2)]
    draws = "diffusers.schedulers.scheduling_unclip.randn_tensor"
    monkeypatch.setattr(draws, lambda *given, **how: sampling.draw_noise((3, 4, 4), rngs).double())
    for t, s in zip(times, [*times[1:], None], strict=True):
        x = own.step(network.predict(x, t, Z), t, x, prev_timestep=s).prev_sample
    fresh = [np.random.default_rng(i) for i in range(2)]
    ours = _sample(network, X_T.double(), eta=1.0, rngs=fresh)
    assert torch.allclose(ours, x, atol=1e-6)


def test_at_eta_1_clipped_steps_are_those_of_ddpm(tmp_path, monkeypatch):
    own = DDPMScheduler(beta_schedule="linear", beta_start=0.00085, beta_end=0.012, clip_sample_range=0.7)
    network = Small(_schedule(tmp_path, own))
    own.set_timesteps(STEPS)
    x, rngs = X_T, [np.random.default_rng(i) for i in range(2)]
    draws = "diffusers.schedulers.scheduling_ddpm.randn_tensor"
    monkeypatch.setattr(draws, lambda *given, **how: sampling.draw_noise((3, 4, 4), rngs))
    for t in own.timesteps:
        x = own.step(network.predict(x, int(t), Z), int(t), x).prev_sample
    fresh = [np.random.default_rng(i) for i in range(2)]
    ours = _sample(network, eta=1.0, rngs=fresh)
    assert torch.allclose(ours, x, atol=1e-4)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_pndm_and_ddim_draw_the_same_image_in_the_limit_of_many_steps(tmp_path, prediction):
    """Both solve one equation, DDIM to first order: four times the steps, a quarter of the difference."""
    betas = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
    own = diffusers.PNDMScheduler(skip_prk_steps=True, steps_offset=1, prediction_type=prediction, **betas)
    network, differences = Small(_schedule(tmp_path, own)), []
    for steps in (50, 200):
        own.set_timesteps(steps)
        x = X_T.double()
        for t in own.timesteps:
            x = own.step(network.predict(x, int(t), Z), t, x).prev_sample
        ours = sampling.sample(denoiser_of(network, Z), network.schedule, X_T.double(), num_inference_steps=steps)
        differences.append((ours - x).square().mean().sqrt() / x.square().mean().sqrt())
    assert differences[0] < 0.03
    assert differences[1] < differences[0] / 3


class Gaussian:
    """The ideal denoiser of pixels of standard deviation 0.45, its predicted noise off by ``error``."""

    latent_shape = (3, 16, 16)

    def __init__(self, schedule, error):
        self.schedule, self.error = schedule, error
        self.wrong = torch.Generator().manual_seed(5)

    def condition(self, embeds):
        return embeds

    def predict(self, x_t, t, cond):
        a = self.schedule.alpha(t)
        exact = (1 - a) ** 0.5 * x_t / (0.45**2 * a + 1 - a)
        return exact + self.error * torch.randn(x_t.shape, generator=self.wrong)


UNCLIPPED = {
    (0.003, 25): 0.54, (0.003, 50): 0.28, (0.003, 250): 0.04,
    (0.01, 25): 0.85, (0.01, 50): 0.73, (0.01, 250): 0.16,
}  # fmt: skip
"""Share of pixels out of [-1, 1] by error of the predicted noise and number of steps; 0.026 is that of the data."""


@pytest.mark.parametrize(("error", "steps"), list(UNCLIPPED))
def test_clipped_as_karlo_s_own_sampler_a_small_error_leaves_no_pixel_out_of_range(tmp_path, steps, error):
    """Unclipped, the first of 50 steps multiplies an error in the predicted noise by 632."""
    schedule = _schedule(tmp_path, UnCLIPScheduler(variance_type="learned_range"))
    x_T = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    outside = {}
    for clip in (True, False):
        denoiser = denoiser_of(Gaussian(schedule, error), torch.zeros(4, 1))
        pixels = sampling.sample(
            denoiser, schedule if clip else schedule.without_limit(), x_T, num_inference_steps=steps
        )
        outside[clip] = (pixels.abs() > 1).float().mean().item()
        if clip:
            assert 0.35 < pixels.std() < 0.5  # nor are they saturated
    assert outside[True] == 0
    assert abs(outside[False] - UNCLIPPED[error, steps]) < 0.05


@pytest.mark.parametrize("spacing", ["trailing", "linspace"])
def test_every_number_of_steps_stays_within_the_training_timesteps(tmp_path, spacing):
    """diffusers makes 62 of 61 trailing steps, the last at t=-1, which Python takes for the noisiest."""
    schedule = _schedule(tmp_path, DDIMScheduler(timestep_spacing=spacing))
    for steps in range(1, T + 1):
        times = schedule.timesteps(steps)
        assert len(set(times)) == steps
        assert times == sorted(times, reverse=True)
        assert times[-1] >= 0
        assert times[0] == T - 1 or steps == 1


@pytest.mark.parametrize(
    ("key", "value"), [("use_karras_sigmas", True), ("use_flow_sigmas", True), ("timestep_type", "continuous")]
)
def test_settings_that_change_the_noise_are_refused(tmp_path, key, value):
    cls = diffusers.EulerDiscreteScheduler if key == "timestep_type" else diffusers.DPMSolverMultistepScheduler
    config = {**cls().config, "_class_name": cls.__name__, key: value}
    with pytest.raises(CheckpointError, match=f"{key}={value!r}"):
        load_schedule(_write(tmp_path, config))


@pytest.mark.parametrize(("key", "value"), [("shift", 3.0), ("predict_epsilon", False), ("noise_offset", 0.1)])
def test_a_setting_that_no_scheduler_knows_is_refused(tmp_path, key, value):
    config = {**DDIMScheduler().config, "_class_name": "DDIMScheduler", key: value}
    with pytest.raises(CheckpointError, match=rf"{key}={value!r}.*not known here"):
        load_schedule(_write(tmp_path, config))


def test_a_start_far_from_noise_is_warned_of_and_a_usual_one_is_not(tmp_path, recwarn):
    schedule = _schedule(tmp_path, DDIMScheduler(steps_offset=1))
    for steps in (1, 2, 10, 20, 25, 30, 50, 100, 200, 250, 500, 999):
        schedule.timesteps(steps)
    assert not [w for w in recwarn if w.category is ConvergenceWarning]
