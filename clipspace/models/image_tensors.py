"""Images to pixels in [-1, 1], and back."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from clipspace.models.precision import check_finite
from clipspace.sources.images import square


def as_pixels(images: list[Image.Image], side: int) -> torch.Tensor:
    """Pixels in [-1, 1], float32 ``(n, 3, side, side)``, of the centre squares of images."""
    arrays = np.stack([np.asarray(square(image, side), dtype=np.float32) for image in images])
    return torch.from_numpy(arrays).permute(0, 3, 1, 2) / 127.5 - 1


def as_images(pixels: torch.Tensor, dtype: torch.dtype) -> list[Image.Image]:
    """Images of pixels in [-1, 1], ``(n, 3, h, w)``, clamped, that networks of ``dtype`` gave."""
    check_finite(pixels, "decode: pixels", dtype)
    array = pixels.float().cpu().add(1).mul(127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    return [Image.fromarray(a) for a in array]
