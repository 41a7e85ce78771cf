"""Runs that begin from the weights of another decoder."""

import json

import numpy as np
import pytest
import torch
import trained

from clipspace.errors import InputError
from clipspace.models.catalogue import MINI
from clipspace.points.stamps import Stamp
from clipspace.training.card import _begun
from clipspace.training.loop import Bound
from clipspace.training.network import drawn_network
from clipspace.training.presets import PRESETS, network_config
from clipspace.training.task import train
from clipspace.training.vectors import Standard, folded
from clipspace.training.weights import begin_from, folder_of, preset_in

OTHER = Stamp("other", "c" * 16, "b" * 16, 5)
CONFIG = network_config(trained.TOY, 6)


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """The folder of a decoder of a few steps."""
    images, vectors = trained.planted(8)
    task = trained.task(tmp_path_factory.mktemp("begun"), images, vectors)
    train(task, Bound(steps=3))
    return task.output


def _weights(folder):
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel.from_pretrained(folder, subfolder="unet")


def test_of_another_space_all_is_taken_but_the_layer_that_is_told_z(begun):
    network = drawn_network(network_config(trained.TOY, 5), seed=1)
    fresh = {name: weight.clone() for name, weight in network.state_dict().items()}
    begin_from(network, begun, OTHER, Standard(np.zeros(5, np.float32), 1.0))
    told = [name for name in fresh if name.startswith("class_embedding.linear_1.")]
    assert len(told) == 2
    for name, weight in _weights(begun).state_dict().items():
        expected = fresh[name] if name in told else weight
        assert torch.equal(network.state_dict()[name], expected), name


def test_of_the_same_space_the_run_begins_where_the_decoder_is_whatever_moves_its_vectors(begun):
    """The network that is saved after no step draws what the one it began from draws."""
    standard = Standard(np.linspace(-1, 1, 6, dtype=np.float32), 0.3)
    network = drawn_network(CONFIG, seed=1)
    begin_from(network, begun, trained.STAMP, standard)
    x, told = torch.randn(2, 12, 4, 4), torch.randn(2, 6)

    def out(unet, told):
        return unet(x, 500, encoder_hidden_states=None, class_labels=told).sample

    expected = out(_weights(begun), told)
    assert torch.allclose(out(network, standard(told)), expected, atol=1e-5)
    assert not torch.allclose(out(network, told), expected, atol=1e-2)
    folded(network, standard)
    assert torch.allclose(out(network, told), expected, atol=1e-5)


def test_a_run_that_begins_from_weights_is_ahead_of_one_that_draws_them(tmp_path):
    """The vectors of the second space are those of the first, mirrored: only the layer that is told them has to be learned."""
    images, vectors = trained.planted(12)
    first = trained.task(tmp_path / "first", images, vectors)
    train(first, Bound(steps=60))
    told = {"stamp": Stamp("mirrored", "d" * 16, "b" * 16, 6)}
    losses = [
        train(trained.task(tmp_path / name, images, -vectors[:, ::-1].copy(), **told, **more), Bound(steps=12)).loss
        for name, more in {"drawn": {}, "begun": {"weights": first.output}}.items()
    ]
    assert losses[1] < 0.7 * losses[0]


def test_the_preset_is_that_of_the_decoder(begun):
    assert preset_in(begun, trained.TOY) == trained.TOY
    chosen = preset_in(folder_of("mini"), PRESETS["tiny"])
    assert (chosen.resolution, chosen.unshuffle, chosen.channels) == (64, 2, (48, 96, 192, 192))
    assert (chosen.batch_size, chosen.lr) == (PRESETS["tiny"].batch_size, PRESETS["tiny"].lr)
    assert folder_of("mini") == MINI / "decoder"


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("unet/config.json", {"block_out_channels": None}, "no usable"),
        ("unet/config.json", {"class_embed_type": "timestep"}, "another class_embed_type"),
        ("scheduler/scheduler_config.json", {"prediction_type": "epsilon"}, "another prediction_type"),
    ],
)
def test_decoders_that_this_trainer_did_not_write_are_refused(begun, tmp_path, file, change, message):
    for name in ("model_index.json", "unet/config.json", "scheduler/scheduler_config.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        written = json.loads((begun / name).read_text())
        (tmp_path / name).write_text(json.dumps(written | (change if name == file else {})))
    with pytest.raises(InputError, match=message):
        preset_in(tmp_path, trained.TOY)


def test_a_card_does_not_claim_that_held_out_rows_are_new_to_the_weights_it_began_from():
    """They may have been trained on the same store, with other rows held out."""
    assert _begun({"weights": None}) == "started from random weights"
    assert "may be among those held out" in _begun({"weights": "runs/first"})


def test_a_folder_without_a_decoder_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"model_index\.json"):
        folder_of(tmp_path)
