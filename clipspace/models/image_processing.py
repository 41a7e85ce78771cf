"""How a transformers image processor prepares images: read off the processor, and done by it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from PIL import Image

from clipspace.errors import CheckpointError
from clipspace.models.network import Preparation
from clipspace.models.resizing import ResizeMode, aliased_transform

KNOWN = (
    "BitImageProcessor",
    "CLIPImageProcessor",
    "DINOv3ViTImageProcessor",
    "SiglipImageProcessor",
    "ViTImageProcessor",
)
"""Image processors that resize, crop, rescale and normalise, and do nothing else."""
_INTERPOLATIONS = {
    Image.Resampling.BICUBIC: "bicubic", Image.Resampling.BILINEAR: "bilinear", Image.Resampling.LANCZOS: "lanczos",
}  # fmt: skip


@dataclass(frozen=True)
class ProcessorTransform:
    """An image -> pixels ``(3, h, w)`` by a processor, with some of its options overridden."""

    processor: Any
    options: dict[str, Any] = field(default_factory=dict)

    def __call__(self, image: Image.Image) -> torch.Tensor:
        prepared = self.processor(images=image.convert("RGB"), return_tensors="pt", **self.options)
        return prepared["pixel_values"][0]


def preparation_of(processor: Any, name: str, resize_mode: ResizeMode | None = None) -> Preparation:
    """What a processor does, with ``resize_mode`` in place of its own where one is given.

    Raises `CheckpointError` for a processor whose steps are not known here, or that leaves one out.
    """
    stated = processor.to_dict()
    _check_steps(stated, type(processor).__name__, name)
    shape, mode, options = _sizes(stated, name)
    mean, std = tuple(map(float, stated["image_mean"])), tuple(map(float, stated["image_std"]))
    interpolation = _INTERPOLATIONS[stated["resample"]]
    if resize_mode == "squash-aliased":
        transform = aliased_transform(shape, mean, std)
        return Preparation(transform, shape, mean, std, resize_mode, "bicubic", repr(transform))
    if resize_mode not in (None, mode):
        mode, options = resize_mode, _options(resize_mode, shape, name)
    transform = ProcessorTransform(processor, options)
    spelled = f"{sorted((key, repr(value)) for key, value in (stated | options).items())}"
    return Preparation(transform, shape, mean, std, mode, interpolation, spelled)


def _check_steps(stated: dict[str, Any], kind: str, name: str) -> None:
    if kind.removesuffix("Fast").removesuffix("Pil") not in KNOWN:
        raise CheckpointError(
            f"load_space({name!r}): expected an image processor out of {list(KNOWN)}, got {kind}, whose steps are not known here; "
            "use a checkpoint that has one of them"
        )
    off = [step for step in ("do_resize", "do_rescale", "do_normalize") if not stated.get(step, True)]
    if off or stated.get("do_pad"):
        raise CheckpointError(
            f"load_space({name!r}): expected an image processor that resizes, rescales and normalises, and does not pad, got "
            f"{(dict.fromkeys(off, False)) or {'do_pad': True}}; correct its preprocessor_config.json"
        )
    for key in ("image_mean", "image_std"):
        numbers = stated.get(key)
        if not isinstance(numbers, (list, tuple)) or len(numbers) != 3 or (key == "image_std" and min(numbers) <= 0):
            raise CheckpointError(
                f"load_space({name!r}): expected {key} of three numbers, got {numbers!r}; write there what it was trained with"
            )
    if stated.get("resample") not in _INTERPOLATIONS:
        raise CheckpointError(
            f"load_space({name!r}): expected resample 1 (lanczos), 2 (bilinear) or 3 (bicubic), got {stated.get('resample')!r}"
        )


def _sizes(stated: dict[str, Any], name: str) -> tuple[tuple[int, int], str, dict[str, Any]]:
    """The shape that the model sees, how images come to it, and the options that override nothing."""
    size, crop = dict(stated.get("size") or {}), stated.get("do_center_crop")
    cut = dict(stated.get("crop_size") or {}) if crop else {}
    if size.keys() == {"height", "width"} and not crop:
        return (int(size["height"]), int(size["width"])), "squash", {}
    if size.keys() == {"shortest_edge"} and cut.keys() == {"height", "width"}:
        shape, edge = (int(cut["height"]), int(cut["width"])), int(size["shortest_edge"])
        own = edge == min(shape) == max(shape)
        return shape, "shortest" if own else f"shortest side {edge}, centre {shape[0]} x {shape[1]}", {}
    raise CheckpointError(
        f"load_space({name!r}): expected an image processor with size height and width, or size shortest_edge and a centre crop, got "
        f"size {size}, do_center_crop {crop}, crop_size {cut}; correct its preprocessor_config.json"
    )


def _options(mode: ResizeMode, shape: tuple[int, int], name: str) -> dict[str, Any]:
    box = {"height": shape[0], "width": shape[1]}
    if mode == "squash":
        return {"size": box, "do_center_crop": False}
    if shape[0] != shape[1]:
        raise CheckpointError(
            f"load_space({name!r}): this model sees {shape[0]} x {shape[1]}, which has no centre square; leave resize_mode out"
        )
    return {"size": {"shortest_edge": shape[0]}, "do_center_crop": True, "crop_size": box}
