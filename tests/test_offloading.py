"""Offloaded networks give what those in the device's memory give, and wait in main memory."""

import numpy as np
import pytest
import tiny
import torch

from clipspace import load_space
from clipspace.errors import ConvergenceWarning
from clipspace.models.offloading import offloaded_blocks

pytest.importorskip("accelerate")


@pytest.fixture(scope="module", params=["clip", "siglip"])
def spaces(request, tmp_path_factory):
    """One CLIP, with its weights on the device, and offloaded."""
    name = getattr(tiny, request.param)(tmp_path_factory.mktemp("offloaded") / request.param)
    return [load_space(name, decoder="gradient", device="cpu", offload=offload) for offload in (False, True)]


def _blocks(encoder):
    return [parameter for name, parameter in encoder.model.named_parameters() if "resblocks" in name]


def test_an_offloaded_encoder_gives_the_same_vectors_and_the_same_space(spaces, rng):
    plain, offloaded = (space.encoder for space in spaces)
    assert all(parameter.is_meta for parameter in _blocks(offloaded))
    assert not any(parameter.is_meta for parameter in _blocks(plain))
    assert (plain.stamp, plain.device) == (offloaded.stamp, offloaded.device)
    pixels = [image.astype(np.uint8) for image in rng.integers(0, 255, (3, 40, 32, 3))]
    a, b = (space.encode_images(pixels).vectors for space in spaces)
    assert np.array_equal(a, b)
    assert np.array_equal(*(space.encode_texts(["a cat", "two apples"]).vectors for space in spaces))
    assert torch.equal(*(encoder.zero_image() for encoder in (plain, offloaded)))
    for ours, theirs in zip(*(encoder.text_tokens(["a cat"]) for encoder in (plain, offloaded)), strict=True):
        assert torch.equal(ours, theirs)
    assert all(parameter.is_meta for parameter in _blocks(offloaded))  # they wait again


def test_pixels_are_optimised_through_an_offloaded_encoder(spaces):
    points = spaces[0].encode_images(np.full((32, 32, 3), 90, np.uint8))
    with pytest.warns(ConvergenceWarning, match="2 steps are few"):
        a, b = (np.asarray(s.decode(points, seed=0, num_inference_steps=2)[0], int) for s in spaces)
    assert np.abs(a - b).max() <= 1


def test_half_precision_is_the_same_space_offloaded_or_not(tmp_path):
    name = tiny.clip(tmp_path / "clip")
    spaces = [load_space(name, device="cpu", dtype=d, offload=o) for d, o in (("float32", False), ("bfloat16", True))]
    assert spaces[0].stamp == spaces[1].stamp
    assert spaces[1].encoder.dtype == torch.bfloat16


def test_the_blocks_of_nested_sequences_wait_once_and_the_rest_stays():
    inner = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.GELU()))
    model = torch.nn.ModuleDict({"tower": inner, "head": torch.nn.Linear(2, 2)})
    x = torch.ones(1, 2)
    expected = model["head"](model["tower"](x))
    model = offloaded_blocks(model, torch.device("cpu"))
    assert all(parameter.is_meta for parameter in model["tower"].parameters())
    assert not any(parameter.is_meta for parameter in model["head"].parameters())
    assert torch.equal(model["head"](model["tower"](x)), expected)
