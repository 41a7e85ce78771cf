import numpy as np
import pytest

from clipspace.errors import InputError
from clipspace.probes.decoders import decoder_agreement, decoder_seed
from clipspace.scenes import render, sample_scenes


def test_decoders_share_z_and_not_their_noise(space):
    points = space.encode_images([render(s) for s in sample_scenes(3, seed=31)])
    scores = decoder_agreement({"one": space, "two": space}, points, seed=1, num_inference_steps=4)
    one, two = (
        space.encode_images(space.decode(points, seed=decoder_seed(1, name), num_inference_steps=4)).unit
        for name in ("one", "two")
    )
    assert np.isclose(scores["one", "two"].value, np.einsum("nd,nd->n", one, two).mean())
    assert scores["one", "two"].value < 0.999  # of one x_T a decoder agrees with itself wholly, whatever z holds
    for name, by_hand in (("one", one), ("two", two)):
        assert np.isclose(scores["z", name].value, np.einsum("nd,nd->n", by_hand, points.unit).mean())
    with pytest.raises(InputError, match="two points"):
        decoder_agreement({"one": space}, points[:1])
