"""Starting from the weights of another decoder: only the layer that receives the vectors of the encoder is learned anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from clipspace.errors import InputError
from clipspace.models.catalogue import MINI
from clipspace.points.stamps import Stamp
from clipspace.points.store.layout import read_json
from clipspace.training.noise import SCHEDULER
from clipspace.training.presets import Preset, network_config
from clipspace.training.vectors import Standard, unfolded

_TOLD = "class_embedding.linear_1."
"""The layer that is told z: the only one whose shape depends on the space."""


def folder_of(weights: str | Path) -> Path:
    """The folder of a decoder: ``weights``, or that of the mini space for "mini". Raises `InputError` where it holds none."""
    folder = MINI / "decoder" if str(weights) == "mini" else Path(weights)
    if not (folder / "model_index.json").is_file():
        raise InputError(
            f"train_decoder: expected weights to be the folder of a decoder, or 'mini', got {str(weights)!r}, which holds no "
            "model_index.json; name a folder that train_decoder wrote"
        )
    return folder


def preset_in(folder: Path, chosen: Preset) -> Preset:
    """``chosen`` with the network and the resolution of the decoder in ``folder``.

    Raises `InputError` for a decoder that `train_decoder` could not have written: another network, or another noise.
    """
    config, index = read_json(folder / "unet" / "config.json"), read_json(folder / "model_index.json")
    unshuffle = int(index.get("pixel_unshuffle", 1))
    try:
        preset = replace(
            chosen,
            resolution=config["sample_size"] * unshuffle,
            unshuffle=unshuffle,
            channels=tuple(config["block_out_channels"]),
            attention=sum(name.startswith("Attn") for name in config["down_block_types"]),
            layers=config["layers_per_block"],
            heads=config["attention_head_dim"],
            groups=config["norm_num_groups"],
        )
        expected = network_config(preset, config["projection_class_embeddings_input_dim"])
    except (KeyError, TypeError) as error:
        raise _not_ours(folder, f"no usable {error}") from None
    differ = [key for key, value in expected.items() if config.get(key) != _as_json(value)]
    noise = read_json(folder / "scheduler" / "scheduler_config.json")
    differ += [key for key, value in SCHEDULER.items() if noise.get(key) != value]
    if differ:
        raise _not_ours(folder, f"another {', '.join(differ)}")
    return preset


def begin_from(network: torch.nn.Module, folder: Path, stamp: Stamp, standard: Standard) -> None:
    """Give ``network`` the weights of the decoder in ``folder``.

    The layer that is told z keeps what it drew, unless that decoder is of the same space: then it gets that layer too, for
    vectors moved and scaled by ``standard``.
    """
    from diffusers import UNet2DConditionModel

    begun = UNet2DConditionModel.from_pretrained(folder, subfolder="unet", torch_dtype=torch.float32)
    of_space = read_json(folder / "model_index.json").get("clip", {})
    if of_space.get("weights") == stamp.weights and of_space.get("dim") == stamp.dim:
        unfolded(begun, standard)
        network.load_state_dict(begun.state_dict())
        return
    shared = {name: weight for name, weight in begun.state_dict().items() if not name.startswith(_TOLD)}
    network.load_state_dict(shared, strict=False)


def _as_json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _not_ours(folder: Path, what: str) -> InputError:
    return InputError(
        f"train_decoder: expected weights of a decoder that train_decoder wrote, got {str(folder)!r} with {what}; name "
        "another, or begin without weights"
    )
