"""Encoders of models that a program already holds: used as they are, in evaluation mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from PIL import Image

from clipspace.errors import CapabilityError, InputError
from clipspace.models.components import Components
from clipspace.models.contract import Encoder
from clipspace.models.encoder import NetworkEncoder
from clipspace.models.function import probe_images
from clipspace.models.network import Network, Preparation
from clipspace.models.open_clip_network import open_clip_network
from clipspace.models.parts import IMAGE_ENCODER, IMAGE_PROCESSORS
from clipspace.models.resizing import ResizeMode
from clipspace.models.transformers_network import transformers_network
from clipspace.points.stamps import Stamp

_EXPECTED = "an Encoder, (open_clip model, image transform, tokenizer), or (transformers model, processor)"


def encoder_of(
    thing: Any, resize_mode: ResizeMode | None = None, usual_resize_mode: ResizeMode | None = None
) -> Encoder:
    """The encoder that an object is, or that a model makes with what prepares its inputs.

    ``thing`` is an `Encoder`, ``(model, transform, tokenizer)`` of open_clip, or ``(model, processor)`` of transformers, where
    a model of images alone may have its image processor in the processor's place. ``resize_mode`` overrides how the latter
    makes images square, and ``usual_resize_mode`` does where none is given. Raises `InputError` for anything else, and for a
    transform that normalises otherwise than the model states.
    """
    if not isinstance(thing, tuple):
        if isinstance(getattr(thing, "stamp", None), Stamp):
            _check_no_resize_mode(resize_mode)
            return thing
        raise InputError(
            f"load_space: expected {_EXPECTED}, got {type(thing).__name__}; pass the model with what belongs to it"
        )
    if len(thing) not in (2, 3) or not isinstance(thing[0], torch.nn.Module):
        raise InputError(f"load_space: expected {_EXPECTED}, got a tuple of {[type(part).__name__ for part in thing]}")
    model = thing[0]
    name = f"object:{getattr(model, 'name_or_path', '') or type(model).__name__}"
    if len(thing) == 3:
        _check_no_resize_mode(resize_mode)
        network = _of_open_clip(*thing)
    else:
        network = _of_transformers(*thing, name, resize_mode or usual_resize_mode)
    return NetworkEncoder(network, name=name, identifier=name)


def device_of_object(thing: Any) -> torch.device:
    """Where an object that `encoder_of` takes computes."""
    if isinstance(thing, tuple) and thing and isinstance(thing[0], torch.nn.Module):
        return next(thing[0].parameters()).device
    return getattr(thing, "device", torch.device("cpu"))


def image_encoder_of(components: Components) -> tuple[Any, Any]:
    """The image encoder of a pipeline, and its image processor."""
    processor = next((part for part in IMAGE_PROCESSORS if components.holds(part)), IMAGE_PROCESSORS[0])
    return components.part(IMAGE_ENCODER), components.part(processor)


def _check_no_resize_mode(resize_mode: ResizeMode | None) -> None:
    if resize_mode is not None:
        raise InputError(
            f"load_space: expected no resize_mode for an encoder that prepares images itself, got {resize_mode!r}; leave it out"
        )


def _of_transformers(model: torch.nn.Module, processor: Any, name: str, resize_mode: ResizeMode | None) -> Network:
    if not hasattr(getattr(model, "config", None), "model_type"):
        raise InputError(
            f"load_space: expected {_EXPECTED}, got a {type(model).__name__} with one more; a model of open_clip comes with its transform "
            "and its tokenizer"
        )
    images = getattr(processor, "image_processor", processor)
    if not hasattr(images, "image_mean"):
        raise InputError(f"load_space: expected a processor of images beside the model, got {type(processor).__name__}")
    tokenizer = getattr(processor, "tokenizer", None)
    if hasattr(model, "text_model") and tokenizer is None:
        raise InputError(
            f"load_space: expected a processor with a tokenizer for a {type(model).__name__}, got {type(processor).__name__}; "
            "pass AutoProcessor.from_pretrained(...)"
        )
    return transformers_network(model.eval(), images, tokenizer, name=name, resize_mode=resize_mode)


def _of_open_clip(model: torch.nn.Module, transform: Callable, tokenizer: Any) -> Network:
    if (
        not hasattr(model, "visual")
        or not hasattr(model, "encode_image")
        or not callable(transform)
        or not callable(tokenizer)
    ):
        raise InputError(
            f"load_space: expected {_EXPECTED}, got ({type(model).__name__}, {type(transform).__name__}, {type(tokenizer).__name__})"
        )
    if not hasattr(model.visual, "preprocess_cfg"):
        raise CapabilityError(
            "load_space: expected an open_clip model that states its preprocess_cfg, got one without; create it by "
            "open_clip.create_model_from_pretrained"
        )
    _check_tokenizer(tokenizer)
    network = open_clip_network(model.eval(), transform, tokenizer)
    _check_transform(network.preparation)
    return network


def _check_tokenizer(tokenizer: Any) -> None:
    """It is one, and not the second transform that open_clip.create_model_and_transforms returns."""
    try:
        tokens = tokenizer(["a cat"])
    except Exception as error:  # whatever a function of something else raises
        raise InputError(
            f"load_space: expected the tokenizer of the model, as open_clip.get_tokenizer returns, got {type(tokenizer).__name__}, which "
            f"reads no texts: {error}"
        ) from error
    if not isinstance(tokens, torch.Tensor) or tokens.ndim != 2:
        raise InputError(
            f"load_space: expected a tokenizer that returns tokens (n, length), got {type(tokens).__name__}"
        )


def _check_transform(preparation: Preparation) -> None:
    """It prepares an image alike each time, and makes of white what the stated mean and deviation make of it."""
    white, image = Image.new("RGB", preparation.shape[::-1], "white"), probe_images()[0]
    values = torch.tensor([(1 - mean) / std for mean, std in zip(preparation.mean, preparation.std, strict=True)])
    wanted = values.view(-1, 1, 1).expand(3, *preparation.shape)
    got, first, again = (preparation.transform(one) for one in (white, image, image))
    if got.shape != wanted.shape or not torch.allclose(got.float(), wanted, atol=1e-3) or not torch.equal(first, again):
        raise InputError(
            f"load_space: expected the transform that belongs to the model, for {preparation.shape} pixels, mean {preparation.mean} and "
            f"std {preparation.std}, without chance, got one that prepares images otherwise; pass the one that "
            "open_clip.create_model_from_pretrained returns with the model"
        )
