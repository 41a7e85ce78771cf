"""How images that are not square are made so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from clipspace.errors import InputError

ResizeMode = Literal["shortest", "squash", "squash-aliased"]
RESIZE_MODES: tuple[ResizeMode, ...] = get_args(ResizeMode)
"""How an image is made square: the centre of its shortest side, all of it, or all of it without antialiasing."""


def check_resize_mode(resize_mode: str | None) -> None:
    """Raise `InputError` for another word."""
    if resize_mode not in (None, *RESIZE_MODES):
        raise InputError(f"load_space: expected resize_mode out of {RESIZE_MODES}, got {resize_mode!r}")


def aliased_transform(shape: tuple[int, int], mean: Sequence[float], std: Sequence[float]):
    """How sd-image-variations was trained to see: pixels first, then a bicubic resize without antialiasing."""
    from torchvision.transforms import Compose, InterpolationMode, Normalize, Resize, ToTensor

    return Compose([ToTensor(), Resize(shape, InterpolationMode.BICUBIC, antialias=False), Normalize(mean, std)])
