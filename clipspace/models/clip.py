"""CLIP encoders, loaded by open_clip with the activation that their weights were trained with."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from clipspace.errors import CheckpointError, InputError
from clipspace.models.activation import check_activation, trained_with_quickgelu
from clipspace.models.encoder import NetworkEncoder
from clipspace.models.listed import check_listed, why_not_loaded
from clipspace.models.memory import ran_out
from clipspace.models.open_clip_folder import check_folder
from clipspace.models.open_clip_network import open_clip_network
from clipspace.models.resizing import ResizeMode, aliased_transform, check_resize_mode

_INTERPOLATIONS = ("bicubic", "bilinear")
"""What open_clip knows; another word becomes bicubic."""


@dataclass(frozen=True)
class Preprocess:
    """What a bare weights file cannot say itself: how images are made ready for it, and its activation.

    ``activation`` is that which the weights were trained with: "quickgelu" for those of OpenAI, MetaCLIP and most of DFN,
    and for what was fine-tuned from them, "gelu" for most others. It must be said. ``resize_mode`` is open_clip's:
    "shortest" (then the centre square), "squash" or "longest".
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    resize_mode: Literal["shortest", "squash", "longest"] = "shortest"
    activation: Literal["gelu", "quickgelu"] | None = None

    def __post_init__(self) -> None:
        for name, value, known in (
            ("interpolation", self.interpolation, _INTERPOLATIONS),
            ("resize_mode", self.resize_mode, ("shortest", "squash", "longest")),
            ("activation", self.activation, ("gelu", "quickgelu", None)),
        ):
            if value not in known:
                raise InputError(f"Preprocess: expected {name} out of {known}, got {value!r}")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise InputError(f"Preprocess: expected three means and three stds above 0, got {self.mean}, {self.std}")


def load_encoder(
    name: str,
    *,
    stamp_name: str | None = None,
    resize_mode: ResizeMode | None = None,
    preprocess: Preprocess | None = None,
    device: torch.device,
    dtype: torch.dtype,
    offload: bool = False,
) -> NetworkEncoder:
    """The CLIP named as open_clip names it: ``"ViT-B-32/laion2b_s34b_b79k"``, ``hf-hub:…`` or ``local-dir:…``.

    ``"ViT-B-32/a/file.safetensors"`` loads a bare weights file, and then ``preprocess`` must be given.
    ``resize_mode`` overrides how images that are not square are made so. The model runs the activation that its weights
    were trained with: as open_clip lists it for a tag, as the configuration says for a folder or a repository, as
    ``preprocess`` says for a bare file. Raises `CheckpointError` when the weights are missing or cannot be read, and
    for a repository whose configuration says another activation than open_clip lists for its weights.
    """
    check_resize_mode(resize_mode)
    identifier, pretrained = _split(name)
    aliased = resize_mode == "squash-aliased"
    options: dict[str, Any] = {}
    if pretrained is not None and Path(pretrained).suffix:
        options, quickgelu = _bare_file(name, Path(pretrained), preprocess)
    elif preprocess is not None:
        raise InputError(f"load_space({name!r}): this model brings its own preprocessing; leave preprocess out")
    else:
        quickgelu = trained_with_quickgelu(identifier, pretrained)
    if resize_mode is not None:
        options["image_resize_mode"] = "squash" if aliased else resize_mode
    if pretrained is not None and quickgelu is not None:
        options["quick_gelu"] = quickgelu
    model, transform, tokenizer = _built(name, identifier, pretrained, options)
    if quickgelu is not None:
        check_activation(model, quickgelu, name)
    if aliased:
        transform = _aliased(model.visual)
    place = {"device": device, "dtype": dtype, "offload": offload}
    network = open_clip_network(model, transform, tokenizer)
    return NetworkEncoder(network, name=stamp_name or name, identifier=name, **place)


def _built(name: str, identifier: str, pretrained: str | None, options: dict[str, Any]) -> tuple:
    """Model on the CPU, image transform and tokenizer by open_clip; every error becomes a `CheckpointError`."""
    import open_clip

    try:
        with warnings.catch_warnings(), _unlogged(logging.ERROR):  # which the error below says again
            warnings.filterwarnings("ignore", message="QuickGELU mismatch")  # of the name and the tag; options decide
            model, transform = open_clip.create_model_from_pretrained(identifier, pretrained, device="cpu", **options)
        tokenizer = open_clip.get_tokenizer(identifier)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, AssertionError) as error:
        if ran_out(error):
            raise
        raise CheckpointError(f"load_space({name!r}): {why_not_loaded(error)}") from error
    except Exception as error:  # safetensors raises its own type for corrupt files
        if type(error).__name__ != "SafetensorError":
            raise
        raise CheckpointError(
            f"load_space({name!r}): the weights are corrupt or truncated ({error}); get a whole copy"
        ) from error
    interpolation = model.visual.preprocess_cfg["interpolation"]
    if interpolation not in _INTERPOLATIONS:
        raise CheckpointError(
            f"load_space({name!r}): expected interpolation out of {_INTERPOLATIONS} in its preprocess_cfg, got {interpolation!r}"
        )
    return model.eval().requires_grad_(False), transform, tokenizer


def _aliased(visual: torch.nn.Module):
    size = (visual.image_size,) * 2 if isinstance(visual.image_size, int) else tuple(visual.image_size)
    visual.preprocess_cfg |= {"resize_mode": "squash-aliased", "interpolation": "bicubic"}
    return aliased_transform(size, visual.image_mean, visual.image_std)


def _split(name: str) -> tuple[str, str | None]:
    """What open_clip calls the model and the pretrained tag."""
    if name.startswith(("local-dir:", "hf-hub:")):
        if name.startswith("local-dir:"):
            check_folder(Path(name.removeprefix("local-dir:")))
        return name, None
    if Path(name).is_dir():
        raise InputError(
            f"load_space: {name!r} is a folder; write 'local-dir:' before it for a model of open_clip, or 'transformers:' for one of "
            "transformers"
        )
    model, _, pretrained = name.partition("/")
    if not pretrained:
        raise InputError(
            f"load_space: expected an open_clip id such as 'ViT-B-32/openai', got {name!r}; see `clipspace spaces`"
        )
    check_listed(model, pretrained)
    return model, pretrained


def _bare_file(name: str, path: Path, preprocess: Preprocess | None) -> tuple[dict[str, Any], bool]:
    """open_clip's options for a weights file, and whether it was trained with QuickGELU."""
    if preprocess is None or preprocess.activation is None:
        missing = "how images are prepared for it, nor its activation" if preprocess is None else "its activation"
        raise InputError(
            f"load_space({name!r}): a weights file does not say {missing}; pass preprocess=Preprocess(mean, std, "
            "activation='quickgelu') for weights of OpenAI, MetaCLIP or DFN and what was fine-tuned from them, "
            "activation='gelu' for most others, or a local-dir: with its open_clip_config.json"
        )
    if path.suffix != ".safetensors":
        raise CheckpointError(
            f"load_space({name!r}): expected a .safetensors file, got {path.suffix!r}, which can run code when read; "
            "convert it where you trust it"
        )
    if not path.is_file():
        raise CheckpointError(f"load_space({name!r}): there is no file {str(path)!r}")
    options = {
        "image_mean": preprocess.mean,
        "image_std": preprocess.std,
        "image_interpolation": preprocess.interpolation,
        "image_resize_mode": preprocess.resize_mode,
    }
    return options, preprocess.activation == "quickgelu"


def draw_encoder(name: str, *, seed: int, stamp_name: str, device: torch.device) -> NetworkEncoder:
    """The architecture of ``name`` (as for `load_encoder`) with fresh weights; a tag gives activation and preprocessing."""
    import open_clip

    if name.startswith("local-dir:"):
        check_folder(Path(name.removeprefix("local-dir:")))
    identifier, _, tag = (name, "", "") if ":" in name else name.partition("/")
    listed = open_clip.get_pretrained_cfg(identifier, tag) if tag else {}
    options = {f"image_{key}": listed[key] for key in ("mean", "std", "interpolation", "resize_mode") if key in listed}
    if listed:
        options["quick_gelu"] = bool(listed.get("quick_gelu", False))
    with torch.random.fork_rng(devices=[]), _unlogged(logging.WARNING):  # open_clip's, that weights are random
        torch.manual_seed(seed)
        try:
            model, _, preprocess = open_clip.create_model_and_transforms(
                identifier, load_weights=False, pretrained_text=False, **options
            )
            tokenizer = open_clip.get_tokenizer(identifier)
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            raise CheckpointError(f"untrained_space({name!r}): open_clip could not build it: {error}") from error
    model, place = model.eval().requires_grad_(False), {"device": device, "dtype": torch.float32}
    network = open_clip_network(model, preprocess, tokenizer)
    return NetworkEncoder(network, name=stamp_name, identifier=name, **place)


@contextmanager
def _unlogged(severity: int) -> Iterator[None]:
    """Without what is logged up to a severity."""
    level = logging.root.manager.disable
    logging.disable(severity)
    try:
        yield
    finally:
        logging.disable(level)
