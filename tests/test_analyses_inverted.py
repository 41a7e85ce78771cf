"""Codes that several analyses ask for."""

import gc
import weakref
from dataclasses import replace
from unittest.mock import patch

import pytest
from PIL import Image

from clipspace.analyses import analysis
from clipspace.analyses.inverted import inverted
from clipspace.space import Space

PAIR = [Image.new("RGB", (64, 64), color) for color in ("red", "blue")]


@pytest.fixture
def invert():
    """`Space.invert`, answering a new object each time."""
    with patch.object(Space, "invert", autospec=True, side_effect=lambda *given, **options: object()) as stand_in:
        yield stand_in


def test_the_same_set_is_inverted_once_and_any_other_anew(space, invert):
    ours = replace(space)
    code = inverted(ours, PAIR, num_inference_steps=20)
    invert.assert_called_once_with(ours, PAIR, num_inference_steps=20)
    assert inverted(ours, [picture.copy() for picture in PAIR], num_inference_steps=20) is code
    assert invert.call_count == 1
    for n, (where, pictures, steps) in enumerate(
        [(ours, PAIR[:1], 20), (ours, PAIR[::-1], 20), (ours, PAIR, 25), (replace(space), PAIR, 20)], start=2
    ):
        assert inverted(where, pictures, num_inference_steps=steps) is not code
        assert invert.call_count == n


def test_codes_go_when_their_space_goes(space, invert):
    ours = replace(space)
    inverted(ours, PAIR, num_inference_steps=20)
    gone = weakref.ref(ours)
    invert.reset_mock()  # which keeps what it was called with
    del ours
    gc.collect()
    assert gone() is None


@pytest.mark.usefixtures("coarse")
def test_a_report_inverts_the_bundled_pictures_once(quick):
    ours = replace(quick)
    few = {"variations": {"n": 1}, "interpolation": {"frames": 2, "draws": 0}, "text_diff": {"frames": 2}}
    with patch.object(Space, "invert", autospec=True, side_effect=Space.invert) as invert:
        results = {name: analysis(name).run(ours, **options, num_inference_steps=20) for name, options in few.items()}
    assert invert.call_count == 1
    assert results["interpolation"].provenance.options["pictures"] == ["red apple", "orange fish", "blue house"]
