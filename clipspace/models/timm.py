"""Image encoders of timm: encoders without texts, and the second opinion that blind pairs ask for."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from clipspace.errors import CheckpointError, InputError
from clipspace.models.devices import usual_device
from clipspace.models.encoder import NetworkEncoder
from clipspace.models.folders import Placement
from clipspace.models.network import Network, Preparation
from clipspace.models.weights import weights_digest
from clipspace.points.embeddings import Embeddings
from clipspace.sources.images import read_images

PREFIX = "timm:"


def load_timm_encoder(name: str, place: Placement, *, resize_mode: str | None = None) -> NetworkEncoder:
    """The encoder ``"timm:NAME"``, with NAME as timm.create_model takes it: pooled features, before a classifier.

    Raises `CheckpointError` for a model that timm cannot load.
    """
    if resize_mode is not None:
        raise InputError(f"load_space({name!r}): models of timm bring their own preprocessing; leave resize_mode out")
    network = _network(_created(name.removeprefix(PREFIX), True, f"load_space({name!r})"))
    options: dict[str, Any] = {"device": place.device, "dtype": place.dtype, "offload": place.offload}
    return NetworkEncoder(network, name=name, identifier=name, **options)


@torch.inference_mode()
def encode_with_timm(
    images, name: str, *, pretrained: bool = True, device: str | None = None, batch_size: int = 64
) -> Embeddings:
    """Pooled features ``(n, d)`` of ``images`` by the timm model ``name``, such as ``"vit_small_patch14_dinov2"``.

    ``pretrained=False`` draws its weights (a control). Raises `CheckpointError` for a model that timm cannot load.
    """
    place = usual_device(device)
    model = _created(name, pretrained, f"encode_with_timm({name!r})").to(place)
    encoder = NetworkEncoder(_network(model), name=f"timm/{name}", identifier=f"{PREFIX}{name}")
    read, names = read_images(images)
    parts = [encoder.images(read[i : i + batch_size]) for i in range(0, len(read), batch_size)]
    return Embeddings(np.concatenate(parts), encoder.stamp, "image", names)


def _created(name: str, pretrained: bool, doing: str) -> torch.nn.Module:
    import timm

    try:
        return timm.create_model(name, pretrained=pretrained, num_classes=0).eval().requires_grad_(False)
    except (OSError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"{doing}: timm could not load it: {error}") from error


def _network(model: torch.nn.Module) -> Network:
    """Of a timm model without a classifier; its config says how images are prepared."""
    import timm

    config = timm.data.resolve_model_data_config(model)
    prepare = timm.data.create_transform(**config, is_training=False)
    preparation = Preparation(
        prepare,
        tuple(config["input_size"][1:]),
        tuple(config["mean"]),
        tuple(config["std"]),
        f"{config['crop_mode']} {config['crop_pct']:g}",
        str(config["interpolation"]),
        repr(prepare),
    )
    described = torch.nn.ModuleDict({"visual": model})
    return Network(model, model.forward, preparation, described, weights_digest(model))
