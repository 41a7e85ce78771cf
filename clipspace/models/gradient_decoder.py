"""A decoder for any encoder: none is needed, pixels are optimised (see `clipspace.diffusion.gradient`)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image

from clipspace.diffusion import gradient
from clipspace.errors import CapabilityError, ConvergenceWarning, InputError
from clipspace.models.contract import Decoder, Encoder
from clipspace.models.image_tensors import as_images

_FEWEST = 300
"""Steps below which it warns: 20 steps reach a cosine of 0.74 in the mini space, 300 steps one of 0.95."""


class GradientDecoder(Decoder):
    """Images by optimisation, at the encoder's own size. They satisfy the encoder, and no prior of images.

    A step is one evaluation of the encoder.
    """

    inverts = guides = takes_raw = False
    name = "gradient"
    num_inference_steps = 1500
    guidance_scale = 1.0

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.resolution = encoder.image_size
        self.latent_shape = (3, *encoder.image_shape)

    def embed(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.encoder.differentiable(pixels).float()

    def check_steps(self, num_inference_steps: int) -> None:
        if not isinstance(num_inference_steps, (int, np.integer)) or num_inference_steps < 1:
            raise InputError(f"num_inference_steps: expected a positive integer, got {num_inference_steps!r}")
        if num_inference_steps < _FEWEST:
            warnings.warn(
                f"decode: {num_inference_steps} steps are few for a gradient decoder, whose images then fall short of their "
                f"embeddings; its usual number is {self.num_inference_steps}",
                ConvergenceWarning,
                stacklevel=4,
            )

    def draw(
        self,
        z: torch.Tensor,
        x_T: torch.Tensor,
        *,
        num_inference_steps: int,
        guidance_scale: float = 1.0,
        eta: float = 0.0,
        clip_sample: bool = False,
        rngs: Sequence[np.random.Generator] | None = None,
        on_step: Callable[[], object] = lambda: None,
    ) -> torch.Tensor:
        """Pixels in [-1, 1], optimised from ``x_T`` until they satisfy ``z``. ``eta`` and ``clip_sample`` are not used."""
        if guidance_scale != 1:
            raise CapabilityError(f"draw: a gradient decoder has no guidance, got guidance_scale={guidance_scale}")
        return gradient.optimise(self, z, x_T, num_inference_steps=num_inference_steps, rngs=rngs, on_step=on_step)

    def to_images(self, latents: torch.Tensor) -> list[Image.Image]:
        images = as_images(latents, self.encoder.dtype)
        for image in images:
            image.info["clipspace"] = "optimised until its embedding matched; not decoded"
        return images
