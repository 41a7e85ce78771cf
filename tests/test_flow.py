"""Flow matching: Euler's steps against diffusers', and their exact inverse beside reversed Euler."""

import json

import pytest
import tiny
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from clipspace.diffusion import limits
from clipspace.diffusion.denoiser import denoiser_of
from clipspace.errors import CheckpointError, InputError
from clipspace.models.decoders.pixel_decoder import PixelDecoder
from clipspace.models.flow_config import load_flow

STEPS = 20


@pytest.fixture(scope="module")
def unet():
    return tiny.pixel_unet()


def _decoder(unet, folder, **config):
    scheduler = FlowMatchEulerDiscreteScheduler(**config)
    scheduler.save_pretrained(folder / "scheduler")
    return PixelDecoder(unet, load_flow(folder), unshuffle=2, clip="x"), scheduler


@pytest.mark.parametrize("shift", [1.0, 3.0])
@pytest.mark.parametrize("steps", [1, 7, pytest.param(28, marks=pytest.mark.slow)])
@pytest.mark.parametrize("guidance_scale", [1.0, 3.0])
def test_sample_equals_diffusers_euler(unet, tmp_path, shift, steps, guidance_scale):
    decoder, scheduler = _decoder(unet, tmp_path, shift=shift)
    z = torch.randn(3, 6, generator=torch.Generator().manual_seed(1))
    x_T = torch.randn(3, 12, 4, 4, generator=torch.Generator().manual_seed(2))
    ours = decoder.draw(z, x_T, num_inference_steps=steps, guidance_scale=guidance_scale)
    scheduler.set_timesteps(steps)
    x, cond, null = x_T, decoder.condition(z), decoder.null_condition(3)
    assert decoder.schedule.timesteps(steps) == scheduler.timesteps.tolist()
    for t in scheduler.timesteps:
        free, guided = (unet(x, t, encoder_hidden_states=None, class_labels=c).sample for c in (null, cond))
        x = scheduler.step(free + guidance_scale * (guided - free), t, x).prev_sample
    assert torch.allclose(ours, x, atol=1e-5 * x.abs().max())


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_exact_inversion_is_undone_by_sampling_and_reversed_euler_is_not(unet, tmp_path, shift):
    decoder, _ = _decoder(unet, tmp_path, shift=shift)
    generator = torch.Generator().manual_seed(3)
    x_0, z = torch.rand(4, 12, 4, 4, generator=generator) * 2 - 1, torch.randn(4, 6, generator=generator)
    errors = {}
    for method in ("exact", "ddim"):
        code = decoder.invert(z, x_0, num_inference_steps=STEPS, method=method)
        again = decoder.draw(z, code.noise, num_inference_steps=STEPS)
        errors[method] = (again - x_0).square().mean().sqrt().item()
        assert code.evaluations.max() <= {"exact": 5 * STEPS, "ddim": STEPS}[method]
    assert errors["exact"] < 1e-4
    assert errors["exact"] < errors["ddim"] / 50


def test_reversed_euler_evaluates_the_velocity_where_the_step_ends(unet, tmp_path):
    """One step back from the image: x_0 + sigma f(x_0, t)."""
    decoder, _ = _decoder(unet, tmp_path)
    x_0, z = torch.zeros(1, 12, 4, 4), torch.ones(1, 6)
    code = decoder.invert(z, x_0, num_inference_steps=1, method="ddim")
    assert torch.allclose(code.noise, x_0 + decoder.predict(x_0, 1000.0, decoder.condition(z)), atol=1e-6)


class Straight:
    """The velocity of a flow from noise to one image: Euler reaches it in any number of steps, and every step predicts it."""

    def __init__(self, schedule, image):
        self.schedule, self.image = schedule, image

    def condition(self, embeds):
        return embeds

    def predict(self, x_t, t, cond):
        return (x_t - self.image) / self.schedule.signal_and_noise(t)[1]


def test_predictions_of_a_straight_path_are_its_image(tmp_path):
    FlowMatchEulerDiscreteScheduler(shift=2.0).save_pretrained(tmp_path / "scheduler")
    schedule, image = load_flow(tmp_path), torch.linspace(-1, 1, 48, dtype=torch.float64).reshape(1, 3, 4, 4)
    network = Straight(schedule, image)
    noise = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0)).double()
    x = noise
    for t, s in schedule.steps(5):
        output = network.predict(x, t, None)
        x_0, eps = schedule.predicted(x, output, t)
        assert torch.allclose(x_0, image)
        assert torch.allclose(eps, noise)
        x, _ = schedule.advance(x, output, t, s)
    assert torch.allclose(x, image)
    count = limits.unlimited_steps(denoiser_of(network, noise), schedule, noise, num_inference_steps=5)
    assert count.tolist() == [5]


@pytest.mark.parametrize("steps", [0, 1001, 2.5])
def test_a_wrong_number_of_steps_is_refused(unet, tmp_path, steps):
    decoder, _ = _decoder(unet, tmp_path)
    with pytest.raises(InputError, match="from 1 to 1000"):
        decoder.check_steps(steps)


def test_fresh_noise_in_steps_of_a_flow_is_refused(unet, tmp_path):
    decoder, _ = _decoder(unet, tmp_path)
    with pytest.raises(InputError, match="eta=0 for a flow"):
        decoder.draw(torch.ones(1, 6), torch.zeros(1, 12, 4, 4), num_inference_steps=2, eta=0.5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"_class_name": "DDIMScheduler"}, "expected a FlowMatchEulerDiscreteScheduler.*DDIMScheduler"),
        ({"use_dynamic_shifting": True}, "use_dynamic_shifting=True"),
        ({"invert_sigmas": True}, "invert_sigmas=True"),
        ({"shift_terminal": 0.1}, "shift_terminal=0.1"),
        ({"bend": 2}, "bend=2"),
        ({"num_train_timesteps": None}, "num_train_timesteps.*None"),
        ({"shift": -1.0}, "shift, a positive number.*-1.0"),
    ],
)
def test_a_path_that_is_not_known_is_refused(tmp_path, changes, message):
    FlowMatchEulerDiscreteScheduler().save_pretrained(tmp_path / "scheduler")
    path = tmp_path / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(CheckpointError, match=message):
        load_flow(tmp_path)
