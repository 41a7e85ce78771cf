"""The mini decoder: a diffusers UNet on unshuffled pixels, conditioned on the embedding alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from PIL import Image

from clipspace.errors import CheckpointError
from clipspace.images import square
from clipspace.models.folders import load_part, load_schedule, read_index


class PixelDecoder:
    """z -> image in pixel space. The latents are the pixels themselves, unshuffled: exact and invertible.

    ``clip_weights`` says which CLIP it was trained for. It takes unit vectors times sqrt(d), and makes them
    from vectors of any length; zeros are its "no condition".
    """

    def __init__(self, unet: UNet2DConditionModel, schedule, *, unshuffle: int, clip_weights: str) -> None:
        self.unet, self.schedule, self.unshuffle, self.clip_weights = unet, schedule, unshuffle, clip_weights
        side = int(unet.config.sample_size)
        self.latent_shape = (int(unet.config.in_channels), side, side)
        self.dim = int(unet.config.projection_class_embeddings_input_dim)
        self.resolution = side * unshuffle

    def condition(self, embeds: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(embeds, dim=-1).mul(self.dim**0.5).to(self.unet.device, self.unet.dtype)

    def null_condition(self, n: int) -> torch.Tensor:
        return torch.zeros(n, self.dim, device=self.unet.device, dtype=self.unet.dtype)

    def predict(self, x_t: torch.Tensor, t: int, cond: torch.Tensor) -> torch.Tensor:
        x_t = x_t.to(self.unet.dtype, memory_format=torch.channels_last)
        return self.unet(x_t, t, encoder_hidden_states=None, class_labels=cond, return_dict=False)[0].float()

    def to_latents(self, images: list[Image.Image]) -> torch.Tensor:
        """Latents ``(n, *latent_shape)``: the centre square of each image in [-1, 1]."""
        pixels = np.stack([np.asarray(square(image, self.resolution), dtype=np.float32) for image in images])
        x = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 127.5 - 1
        return torch.nn.functional.pixel_unshuffle(x, self.unshuffle).to(self.unet.device)

    def to_images(self, latents: torch.Tensor) -> list[Image.Image]:
        pixels = torch.nn.functional.pixel_shuffle(latents.float(), self.unshuffle).cpu()
        array = pixels.add(1).mul(127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
        return [Image.fromarray(a) for a in array]


def load_decoder(folder: Path, *, device: torch.device, dtype: torch.dtype) -> PixelDecoder:
    """The decoder of a diffusers folder. Raises `CheckpointError` for one that is incomplete, corrupt or unknown."""
    index = read_index(folder)
    if index.get("_class_name") != "UnCLIPDecoder":
        raise CheckpointError(
            f"load_space: expected an UnCLIPDecoder in {str(folder)!r}, got {index.get('_class_name')!r}"
        )
    unet = load_part(UNet2DConditionModel, folder, "unet", device=device, dtype=dtype).to(
        memory_format=torch.channels_last
    )
    return PixelDecoder(
        unet, load_schedule(folder), unshuffle=index["pixel_unshuffle"], clip_weights=index["clip_weights"]
    )
