"""Spaces by name: which encoder, decoder and prior a name stands for, loaded and held to each other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from clipspace.errors import InputError
from clipspace.space.space import Space

if TYPE_CHECKING:
    from clipspace.models.clip import Preprocess, ResizeMode

DTYPES = ("float32", "bfloat16", "float16", "float64")


def load_space(
    name: str | Path = "mini",
    *,
    decoder: str | Path | None = None,
    prior: str | Path | None = None,
    device: str | None = None,
    dtype: str = "float32",
    resize_mode: ResizeMode | None = None,
    preprocess: Preprocess | None = None,
    offload: bool = False,
    decoder_options: Mapping[str, Any] | None = None,
) -> Space:
    """Load a space by name: a row of `clipspace spaces`, or any open_clip id (then an encoder alone).

    Parameters
    ----------
    name : ``"mini"``, ``"kandinsky-2.2"``, …; or ``"ViT-B-32/openai"``, ``"hf-hub:…"``, ``"local-dir:…"``; a `Path` is a local
        folder
    decoder : replaces that of the name: a folder in diffusers' layout, ``"karlo"``, ``"karlo@a/local/folder"``,
        or ``"gradient"``, which optimises pixels and works for any CLIP
    prior : likewise; a folder or a repository
    device : as torch names it; a GPU when there is one
    dtype : "float32", "bfloat16" or "float16"; exact inversion wants float32, and "float64" for the images that it warns of
    resize_mode : how pictures that are not square are made so: the centre square of the "shortest" side, "squash", or
        "squash-aliased", without antialiasing; as the decoder was trained when None (but for sd-image-variations, see
        docs/decoders.md), else as the encoder was
    preprocess : what a bare weights file cannot say: mean, std, activation (`models.clip.Preprocess`)
    offload : keep weights in main memory and move each layer to the device when it computes; slow, and fits small GPUs
    decoder_options : ``noise_level`` of Stable unCLIP, ``upsample`` of Karlo

    Raises `CheckpointError` for what is missing or broken, `SpaceMismatchError` for a decoder of another CLIP.

    >>> from clipspace import load_space
    >>> load_space("mini").stamp.dim
    128
    """
    from clipspace.models import catalogue
    from clipspace.models.clip import load_encoder
    from clipspace.models.folders import Placement

    name = _identifier(name)
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if dtype not in DTYPES:
        raise InputError(f"load_space: expected dtype as one of {list(DTYPES)}, got {dtype!r}")
    if dtype == "float64" and place.type == "mps":
        raise InputError("load_space: Apple's GPUs have no float64; load with device='cpu'")
    known = catalogue.pairing(name)
    if known is not None:
        decoder, prior = decoder or known.decoder, prior or known.prior
    found, decoder_name = catalogue.locate(decoder) if decoder not in (None, "gradient") else (None, None)
    prior_found = None if prior is None else catalogue.locate(prior, "prior")[0]
    if found is not None or decoder_options:
        from clipspace.models.decoders import check_options, facts_of

        facts = None if found is None else facts_of(found, decoder_name)
        check_options(facts, decoder_options or {})
        resize_mode = resize_mode or (facts and facts.resize_mode)
    how = Placement(place, getattr(torch, dtype), offload)
    encoder = load_encoder(
        known.clip if known else name,
        stamp_name=name if name == "mini" else None,
        resize_mode=resize_mode,
        preprocess=preprocess,
        device=place,
        dtype=how.dtype,
    )
    parts: dict[str, Any] = {}
    if decoder == "gradient":
        from clipspace.models.gradient_decoder import GradientDecoder

        parts["decoder"] = GradientDecoder(encoder)
    elif found is not None:
        from clipspace.models.decoders import load_decoder

        parts["decoder"] = load_decoder(found, encoder, how, name=decoder_name, **(decoder_options or {}))
    if prior_found is not None:
        from clipspace.models.prior import load_prior

        parts["prior_model"] = load_prior(prior_found, encoder, how)
    return Space(name, encoder, **parts)


def untrained_space(name: str | Path = "mini", *, seed: int, device: str | None = None) -> Space:
    """The encoder of a space with freshly drawn weights: same architecture and preprocessing, nothing learned.

    A control: what a probe finds here, training did not put there. ``name`` as for `load_space`; a bare
    architecture such as ``"ViT-B-32"`` will do.
    """
    from clipspace.models.catalogue import CATALOGUE
    from clipspace.models.clip import draw_encoder

    name = _identifier(name)
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    known = CATALOGUE.get(name)
    title = f"{name} untrained, seed {seed}"
    return Space(title, draw_encoder(known.clip if known else name, seed=seed, stamp_name=title, device=place))


def _identifier(name: str | Path) -> str:
    """What open_clip, or the catalogue, calls a space."""
    if isinstance(name, Path):
        return f"local-dir:{name}"
    if not isinstance(name, str):
        raise InputError(f"load_space: expected a name or the path of a folder, got {type(name).__name__}")
    return name
