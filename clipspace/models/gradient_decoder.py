"""A decoder for any encoder: none is needed, pixels are optimised (see `clipspace.diffusion.gradient`)."""

from __future__ import annotations

import torch
from PIL import Image

from clipspace.models.clip import Encoder
from clipspace.models.contract import as_images


class GradientDecoder:
    """Images by optimisation, at the encoder's own size. Its pictures satisfy the encoder, and no prior of images."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.resolution = encoder.image_size
        self.latent_shape = (3, *encoder.image_shape)

    def embed(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.encoder.differentiable(pixels).float()

    def to_images(self, latents: torch.Tensor) -> list[Image.Image]:
        images = as_images(latents, self.encoder.dtype)
        for image in images:
            image.info["clipspace"] = "optimised until its embedding matched; not decoded"
        return images
