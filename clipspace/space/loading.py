"""Spaces by name: the encoder, decoder and prior that a name stands for, loaded and checked against each other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from clipspace import progress
from clipspace.errors import InputError
from clipspace.models import catalogue, encoders
from clipspace.models.clip import Preprocess
from clipspace.models.components import Components
from clipspace.models.contract import Encoder
from clipspace.models.decoders import check_named, check_options, facts_of, load_decoder
from clipspace.models.devices import check_device, usual_device
from clipspace.models.facts import DecoderFacts
from clipspace.models.folders import Placement, Source
from clipspace.models.gradient_decoder import GradientDecoder
from clipspace.models.memory import within_memory
from clipspace.models.parts import IMAGE_ENCODER
from clipspace.models.prior import load_prior
from clipspace.models.resizing import ResizeMode
from clipspace.models.weight_files import check_variant
from clipspace.space.asked import GRADIENT, asked_for, identifier, locate_image_encoder
from clipspace.space.space import Space

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

DTYPES = ("float32", "bfloat16", "float16", "float64")
_OUT_OF_MEMORY = (
    "load_space({!r}): out of memory; load with dtype='bfloat16', prior=False, offload=True or device='cpu', or end "
    "what else holds memory"
)


def load_space(
    name: str | Path | Encoder | tuple | DiffusionPipeline = "mini",
    *,
    encoder: str | Path | Encoder | tuple | None = None,
    decoder: str | Path | DiffusionPipeline | None = None,
    prior: str | Path | DiffusionPipeline | Literal[False] | None = None,
    device: str | None = None,
    dtype: str = "float32",
    resize_mode: ResizeMode | None = None,
    preprocess: Preprocess | None = None,
    offload: bool = False,
    variant: str | None = None,
    decoder_options: Mapping[str, Any] | None = None,
) -> Space:
    """Load a space by name: a row of `clipspace spaces`, or the id of an encoder (then an encoder alone).

    Parameters
    ----------
    name : ``"mini"``, ``"kandinsky-2.2"``, …; or an encoder: ``"ViT-B-32/openai"``, ``"hf-hub:…"`` and ``"local-dir:…"`` of
        open_clip, ``"transformers:…"``, ``"timm:…"`` (docs/encoders.md); a `Path` is a local folder
        or models that you have loaded: an `Encoder`, ``(model, transform, tokenizer)`` of open_clip, ``(model, processor)`` of
        transformers, or a pipeline of diffusers, with its image encoder. They are used as they are, on their device
    encoder : replaces the encoder of the name. ``"image_encoder"`` is the image tower that comes with the prior or the decoder; it is
        smaller than the whole CLIP, and encodes texts with the text encoder of the prior, if it has one
    decoder : replaces the decoder of the name: a folder in diffusers' layout, ``"karlo"``, ``"karlo@a/local/folder"``, a pipeline of
        diffusers, or ``"gradient"``, which optimises pixels and works for any CLIP
    prior : likewise; a folder, a repository or a pipeline. False loads and downloads none
    device : torch device; by default that of models you have loaded, else a GPU if there is one
    dtype : precision of the loaded networks: "float32", "bfloat16" or "float16"; exact inversion needs float32, and
        "float64" for the images that it warns about
    resize_mode : how images that are not square are made so: the centre square of the "shortest" side, "squash", or
        "squash-aliased", without antialiasing; as the decoder was trained when None (but for sd-image-variations, see
        docs/decoders.md), else as the encoder was
    preprocess : what a bare weights file cannot say: mean, std, activation (`models.clip.Preprocess`)
    offload : keep weights in main memory and move each layer to the device when it computes; slow, and fits small GPUs
    variant : files of weights of the decoder and the prior, such as "fp16" for ``*.fp16.safetensors``; the plain files when
        None, or the variant where a part has only one
    decoder_options : ``noise_level`` of Stable unCLIP, ``upsample`` of Karlo, ``adapter`` and ``adapter_scale`` of IP-Adapter

    Raises `CheckpointError` for missing or broken files, `SpaceMismatchError` for a decoder of another CLIP.

    >>> from clipspace import load_space
    >>> load_space("mini").stamp.dim
    128
    """
    _check_place(device, dtype)
    asked = asked_for(name, encoder, decoder, prior)
    place = _placement(asked.device(device), dtype, offload, variant)
    source, options = _locate_decoder(asked.decoder, variant), decoder_options or {}
    check_options(source and source[1], options)
    if asked.encoder == IMAGE_ENCODER:
        asked = asked._replace(encoder=locate_image_encoder(asked, variant))
    if source:
        check_named(*source, asked.encoder_id)
    prior_source = _locate_prior(asked.prior, variant)
    with progress.task(f"loading {asked.name}"), within_memory(_OUT_OF_MEMORY.format(asked.name)):
        reader = encoders.load_encoder(
            asked.encoder,
            place,
            stamp_name="mini" if asked.name == "mini" and encoder is None else None,
            resize_mode=resize_mode,
            usual_resize_mode=source and source[1].resize_mode,
            preprocess=preprocess,
        )
        by_pixels = GradientDecoder(reader) if asked.decoder == GRADIENT else None
        drawn_by = load_decoder(*source, place, reader, **options) if source else by_pixels
        prior_model = load_prior(prior_source, place, reader) if prior_source else None
        return Space(asked.name, encoders.with_texts(reader, prior_model), drawn_by, prior_model)


def untrained_space(name: str | Path = "mini", *, seed: int, device: str | None = None) -> Space:
    """The encoder of a space with random weights: same architecture and preprocessing, nothing learned.

    A control: whatever a probe finds here was not learned. ``name`` as for `load_space`; a bare
    architecture such as ``"ViT-B-32"`` will do.
    """
    check_device(device)
    name = identifier(name)
    pairing = catalogue.CATALOGUE.get(name)
    title = f"{name} untrained, seed {seed}"
    place = _placement(usual_device(device), "float32")
    encoder = encoders.draw_encoder(pairing.clip if pairing else name, seed=seed, stamp_name=title, place=place)
    return Space(title, encoder)


def _locate_decoder(decoder: str | Source | None, variant: str | None) -> tuple[Source, DecoderFacts] | None:
    """Where a decoder is and what it is; None for no decoder, and for one that optimises pixels."""
    if decoder in (None, GRADIENT):
        return None
    if isinstance(decoder, Components):
        return decoder, facts_of(decoder)
    folder, name = catalogue.locate(decoder, variant=variant)
    check_variant(folder, variant)
    return folder, facts_of(folder, name)


def _locate_prior(prior: str | Source | Literal[False] | None, variant: str | None) -> Source | None:
    """Where a prior is; None for no prior."""
    if prior is None or prior is False:
        return None
    if isinstance(prior, Components):
        return prior
    folder, _ = catalogue.locate(prior, "prior", variant)
    check_variant(folder, variant)
    return folder


def _check_place(device: str | None, dtype: str) -> None:
    if dtype not in DTYPES:
        raise InputError(f"load_space: expected dtype as one of {list(DTYPES)}, got {dtype!r}")
    if dtype == "float64" and str(device).startswith("mps"):
        raise InputError("load_space: Apple's GPUs have no float64; load with device='cpu'")
    check_device(device)


def _placement(device: torch.device, dtype: str, offload: bool = False, variant: str | None = None) -> Placement:
    return Placement(device, getattr(torch, dtype), offload, variant)
