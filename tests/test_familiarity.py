"""What a decoder knows: scenes of the mini world, and neither noise nor photographs."""

import copy
import warnings
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from clipspace.diffusion.flow import FlowSchedule
from clipspace.errors import UnfamiliarWarning
from clipspace.scenes import render, sample_scenes
from clipspace.space.familiarity import FAR, unfamiliarity, warn_unfamiliar


@pytest.mark.slow
def test_unseen_scenes_are_familiar_and_noise_is_not(space, rng):
    images = [render(scene) for scene in sample_scenes(5, seed=77)]
    images.append(Image.fromarray(rng.integers(256, size=(64, 64, 3), dtype=np.uint8)))
    ratios = unfamiliarity(space, images, space.encode_images(images))
    assert ratios.shape == (6,)
    assert ratios[:5].max() < FAR < 2 < ratios[5]
    with pytest.warns(UnfamiliarWarning, match="1 of 6 images lie far from what the decoder of 'mini' draws"):
        warn_unfamiliar("test", space, ratios)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_unfamiliar("test", space, ratios[:5])
        warn_unfamiliar("test", space, None)


def test_timesteps_are_those_of_the_noise_asked_for(space):
    schedule = space.decoder.schedule
    t = schedule.timestep_of_noise(0.2)
    low, high = (((1 - schedule.alpha(k)) / schedule.alpha(k)) ** 0.5 for k in (t - 1, t))
    assert low < 0.2 <= high
    flow = FlowSchedule(1000, lambda n: np.linspace(1000, 1000 / n, n))
    signal, noise = flow.signal_and_noise(flow.timestep_of_noise(0.2))
    assert noise == pytest.approx(0.2 * signal)


def test_images_of_a_flow_are_compared_as_those_of_any_decoder(quick, apple):
    """The guess of its network at x_0, told z, is the step of its schedule to the image."""
    flow = FlowSchedule(1000, lambda n: np.linspace(1000, 1000 / n, n))
    decoder = copy.copy(quick.decoder)
    decoder.schedule = flow
    flowing = replace(quick, decoder=decoder)
    points = flowing.encode_images([apple])
    drawn = flowing.decode(points, seed=0, num_inference_steps=20)
    own, other = (unfamiliarity(flowing, images, points) for images in (drawn, [apple]))
    assert own == pytest.approx(1, abs=0.01)
    assert np.isfinite(other).all()
    assert other != pytest.approx(1, abs=0.01)


def test_photographs_are_far_from_what_the_mini_decoder_draws(space, photos, cifar):
    images = [Image.open(path).convert("RGB") for path in photos[:5]] + list(cifar[0][:5])
    assert unfamiliarity(space, images, space.encode_images(images)).min() > FAR
