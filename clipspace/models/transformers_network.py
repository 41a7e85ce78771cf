"""A model of transformers as the network of an encoder: CLIP, SigLIP and SigLIP 2, and DINOv2 and DINOv3, which read no texts."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import torch

from clipspace.errors import CapabilityError, CheckpointError
from clipspace.models.image_processing import preparation_of
from clipspace.models.network import Network
from clipspace.models.resizing import ResizeMode
from clipspace.models.transformers_texts import TransformersTexts
from clipspace.models.weights import parameters_digest


class Kind(NamedTuple):
    """The class of transformers that reads a kind of model, and how its towers make one vector of their tokens."""

    cls: str
    pooling: str

    @property
    def reads_texts(self) -> bool:
        return "text" in self.pooling


KINDS = {
    "clip": Kind("CLIPModel", "image class token, text end-of-text token"),
    "clip_vision_model": Kind("CLIPVisionModelWithProjection", "image class token"),
    "siglip": Kind("SiglipModel", "image attention, text last token"),
    "siglip_vision_model": Kind("SiglipVisionModel", "image attention"),
    "dinov2": Kind("Dinov2Model", "image class token"),
    "dinov2_with_registers": Kind("Dinov2WithRegistersModel", "image class token"),
    "dinov3_vit": Kind("DINOv3ViTModel", "image class token"),
}
"""By the ``model_type`` of their config.json. SigLIP 2 of a fixed resolution is a "siglip"."""
_NAFLEX = "siglip2"


def kind_of_model(model_type: Any, name: str) -> Kind:
    """Raises `CapabilityError` for a kind of model that is not read."""
    if model_type not in KINDS:
        flexible = ", which is NaFlex and reads as many patches as an image has; load a SigLIP 2 of a fixed resolution"
        raise CapabilityError(
            f"load_space({name!r}): expected a model_type out of {list(KINDS)}, got {model_type!r}"
            f"{flexible if model_type == _NAFLEX else '; load one of them, or pass an encoder of your own'}"
        )
    return KINDS[model_type]


def transformers_network(
    model: torch.nn.Module,
    image_processor: Any,
    tokenizer: Any = None,
    *,
    name: str,
    resize_mode: ResizeMode | None = None,
) -> Network:
    """The network of a model, with the image processor and the tokenizer that belong to it."""
    model_type = model.config.model_type
    kind = kind_of_model(model_type, name)
    if type(model).__name__ != kind.cls:
        raise CheckpointError(
            f"load_space({name!r}): expected a {kind.cls} for a model_type {model_type!r}, got {type(model).__name__}"
        )
    if getattr(_vision(model), "head", True) is None or not getattr(_vision(model), "use_head", True):
        raise CheckpointError(
            f"load_space({name!r}): expected a SigLIP with a pooling head (vision_use_head), got one without"
        )
    texts = None
    if kind.reads_texts:
        texts = TransformersTexts(model, tokenizer, sigmoid=model_type == "siglip", name=name)
    scale, bias = getattr(model, "logit_scale", None), getattr(model, "logit_bias", None)
    return Network(
        model,
        partial(_embed, model),
        preparation_of(image_processor, name, resize_mode),
        described=_described(model),
        weights=parameters_digest(model),
        texts=texts,
        pooling=kind.pooling,
        trunk=partial(_trunk, model),
        logit_scale=None if scale is None else float(scale.detach().exp()),
        logit_bias=None if bias is None else float(bias.detach()),
    )


def _vision(model: torch.nn.Module) -> torch.nn.Module:
    return getattr(model, "vision_model", model)


def _pooled(model: torch.nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    return _vision(model)(pixel_values=pixels).pooler_output


def _embed(model: torch.nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    pooled = _pooled(model, pixels)
    project = getattr(model, "visual_projection", None)
    return pooled if project is None else project(pooled)


def _trunk(model: torch.nn.Module) -> partial | None:
    return partial(_pooled, model) if hasattr(model, "visual_projection") else None


def _described(model: torch.nn.Module) -> torch.nn.Module:
    towers = {"visual": _vision(model)}
    if hasattr(model, "text_model"):
        towers["text"] = model.text_model
    return torch.nn.ModuleDict(towers)
