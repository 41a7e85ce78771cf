"""All encoders by name, and the one way to load any of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clipspace.errors import InputError
from clipspace.models import clip, timm, transformers_folder
from clipspace.models.clip import Preprocess
from clipspace.models.contract import Encoder, Prior
from clipspace.models.encoder import NetworkEncoder
from clipspace.models.folders import Placement
from clipspace.models.objects import encoder_of
from clipspace.models.resizing import ResizeMode, check_resize_mode

_LOCAL = "local-dir:"


def draw_encoder(name: str, *, seed: int, stamp_name: str, place: Placement) -> Encoder:
    """The architecture of ``name`` (as for `load_encoder`) with fresh weights, and its own preprocessing."""
    name = _as_transformers(name)
    if name.startswith(transformers_folder.PREFIX):
        return transformers_folder.load_transformers_encoder(name, place, stamp_name=stamp_name, seed=seed)
    if name.startswith(timm.PREFIX):
        raise InputError(
            f"untrained_space({name!r}): expected a model of open_clip or transformers; models.timm.encode_with_timm(pretrained=False) "
            "draws one of timm"
        )
    return clip.draw_encoder(name, seed=seed, stamp_name=stamp_name, device=place.device)


def _as_transformers(name: str) -> str:
    """``"transformers:FOLDER"`` for a ``local-dir:`` that holds a model of transformers."""
    folder = name.removeprefix(_LOCAL)
    there = name.startswith(_LOCAL) and transformers_folder.is_transformers_folder(Path(folder))
    return f"{transformers_folder.PREFIX}{folder}" if there else name


def load_encoder(
    name: Any,
    place: Placement,
    *,
    stamp_name: str | None = None,
    resize_mode: ResizeMode | None = None,
    usual_resize_mode: ResizeMode | None = None,
    preprocess: Preprocess | None = None,
) -> Encoder:
    """The encoder that a name stands for: ``"transformers:…"``, ``"timm:…"``, or as open_clip names it.

    A ``local-dir:`` that holds a model of transformers is loaded as one. ``name`` may be an object (`objects.encoder_of`).
    ``usual_resize_mode`` is that of the decoder, for encoders that can be told one. ``preprocess`` is for bare weights files of
    open_clip.
    """
    check_resize_mode(resize_mode)
    if not isinstance(name, str):
        _check_no_preprocess("an object", preprocess)
        return encoder_of(name, resize_mode, usual_resize_mode)
    name = _as_transformers(name)
    if name.startswith((transformers_folder.PREFIX, timm.PREFIX)):
        _check_no_preprocess(name, preprocess)
    if name.startswith(timm.PREFIX):
        return timm.load_timm_encoder(name, place, resize_mode=resize_mode)
    resize_mode = resize_mode or usual_resize_mode
    if name.startswith(transformers_folder.PREFIX):
        return transformers_folder.load_transformers_encoder(
            name, place, stamp_name=stamp_name, resize_mode=resize_mode
        )
    placed = {"device": place.device, "dtype": place.dtype, "offload": place.offload}
    return clip.load_encoder(name, stamp_name=stamp_name, resize_mode=resize_mode, preprocess=preprocess, **placed)


def _check_no_preprocess(name: str, preprocess: Preprocess | None) -> None:
    if preprocess is not None:
        raise InputError(f"load_space({name!r}): this model brings its own preprocessing; leave preprocess out")


def with_texts(encoder: Encoder, prior: Prior | None) -> Encoder:
    """The encoder, which reads texts by the text encoder of a prior where it has none itself.

    Both stand for one CLIP, so that its stamp stays that of the images.
    """
    if prior is None or not isinstance(encoder, NetworkEncoder) or encoder.text_tower is not None:
        return encoder
    tower = prior.text_tower()
    return encoder if tower is None else encoder.reading_texts_by(tower)
