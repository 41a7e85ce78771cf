import numpy as np
import pytest

from clipspace.errors import InputError
from clipspace.probes.decoder_agreement import decoder_agreement
from clipspace.scenes import render, sample_scenes


def test_a_decoder_agrees_with_itself_wholly(space):
    points = space.encode_images([render(s) for s in sample_scenes(3, seed=31)])
    scores = decoder_agreement({"one": space, "two": space}, points, seed=1, num_inference_steps=4)
    assert scores["one and two"].value == pytest.approx(1.0)
    assert scores["cycle: one"].value == scores["cycle: two"].value
    by_hand = space.encode_images(space.decode(points, seed=1, num_inference_steps=4)).unit
    assert np.isclose(scores["cycle: one"].value, np.einsum("nd,nd->n", by_hand, points.unit).mean())
    with pytest.raises(InputError, match="two points"):
        decoder_agreement({"one": space}, points[:1])
