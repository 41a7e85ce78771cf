"""What a decoder knows: scenes of the mini world, and neither noise nor photographs."""

import warnings

import numpy as np
import pytest
from PIL import Image

from clipspace.errors import UnfamiliarWarning
from clipspace.scenes import render, sample_scenes
from clipspace.space.familiarity import FAR, _timestep, unfamiliarity, warn_unfamiliar


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


def test_the_noise_is_a_fifth_of_the_signal(space):
    schedule = space.decoder.schedule
    t = _timestep(schedule)
    low, high = (((1 - schedule.alpha(k)) / schedule.alpha(k)) ** 0.5 for k in (t - 1, t))
    assert low < 0.2 <= high


def test_photographs_are_far_from_what_the_mini_decoder_draws(space, photos, cifar):
    images = [Image.open(path).convert("RGB") for path in photos[:5]] + list(cifar[0][:5])
    assert unfamiliarity(space, images, space.encode_images(images)).min() > FAR
