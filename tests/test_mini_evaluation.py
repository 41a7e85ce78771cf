"""The model card's table: every part runs small, reports what is known to be true, and lands between the markers."""

import importlib
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel

from clipspace.mini.evaluation import PARTS, reading
from clipspace.mini.evaluation.card import CARD, as_markdown, write_card
from clipspace.mini.evaluation.timing import diffusers_loop
from clipspace.models.decoders.pixel_decoder import PixelDecoder
from clipspace.scenes import render, sample_scenes

SCENES = {
    "retrieval": 20,
    "zero-shot": 20,
    "typographic": 20,
    "cycle": 4,
    "guided-cycle": 4,
    "cycle-by-steps": 4,
    "inversion": 2,
    "ends": 1,
    "text-diff": 3,
}
"""Of the parts that a small sample makes quick."""


@pytest.fixture(scope="module")
def quick(space):
    """The mini space with a small decoder that learned nothing: a part reports its rows of any."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=16, in_channels=48, out_channels=48, block_out_channels=(16, 16), layers_per_block=1,
        down_block_types=("DownBlock2D", "DownBlock2D"), mid_block_type=None, up_block_types=("UpBlock2D", "UpBlock2D"),
        norm_num_groups=8, class_embed_type="projection", projection_class_embeddings_input_dim=128,
    )  # fmt: skip
    schedule, digest = space.decoder.schedule, space.decoder.clip
    decoder = PixelDecoder(unet.eval().requires_grad_(False), schedule, unshuffle=4, clip=digest)
    return replace(space, decoder=decoder)


@pytest.mark.usefixtures("coarse")
@pytest.mark.parametrize("part", SCENES)
def test_a_part_reports_rows_of_the_card(quick, part):
    table = CARD.read_text()
    rows = PARTS[part](quick, n=SCENES[part])
    assert rows
    for what, measured, bar in rows:
        assert re.match(r"\d|mean", measured)
        assert f"| {bar} |" in table
        assert re.split(r",? of [\d,]+|, PSNR", what)[0] in table  # how many scenes is the caller's choice


@pytest.mark.parametrize("part", ["inversion", pytest.param("ends", marks=pytest.mark.slow)])
def test_what_is_warned_of_is_inverted_again_in_float64(quick, monkeypatch, part):
    monkeypatch.setattr(sys.modules["clipspace.mini.evaluation.inversion"], "CONVERGED", 0.0)
    (_, single, _), (_, double, _), *_ = PARTS[part](quick, n=2)
    assert double.endswith("2 warned of")
    single, double = (float(re.search(r"([\d.]+) worst", figure)[1]) for figure in (single, double))
    assert double >= single > 40


def test_the_rival_of_the_speed_row_draws_the_same(quick):
    points = quick.encode_images([render(scene) for scene in sample_scenes(2, seed=reading.SEED)])
    noise = quick.noise(2, seed=0)
    theirs = quick.decoder.to_images(diffusers_loop(quick.decoder, points.vectors, noise, 10))
    ours = quick.decode(points, noise=noise, num_inference_steps=10)
    for a, b in zip(theirs, ours, strict=True):
        assert np.abs(np.asarray(a, dtype=int) - np.asarray(b)).max() <= 1


def _imported() -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] == "clipspace"]


def test_evaluation_needs_nothing_that_only_training_does(monkeypatch):
    """The package is imported anew, where the optimiser is not installed."""
    monkeypatch.setitem(sys.modules, "pytorch_optimizer", None)
    before = {name: sys.modules.pop(name) for name in _imported()}
    try:
        importlib.import_module("clipspace.mini.evaluate")
        imported = _imported()
    finally:
        for name in _imported():
            del sys.modules[name]
        sys.modules.update(before)
    assert "clipspace.mini.evaluation" in imported
    assert not [name for name in imported if name.startswith("clipspace.mini.train")]


def test_the_card_keeps_all_but_its_table(tmp_path):
    card = tmp_path / "CARD.md"
    card.write_text("above\n<!-- table -->\nold\n<!-- /table -->\nbelow\n")
    rows = [("recall", "0.7", "≥ 0.5")]
    write_card(rows, card)
    write_card(rows, card)
    assert card.read_text() == f"above\n<!-- table -->\n{as_markdown(rows)}\n<!-- /table -->\nbelow\n"
