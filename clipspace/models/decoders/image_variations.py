"""Lambda's sd-image-variations: Stable Diffusion 1 with the image embedding in the prompt's place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from clipspace.models.autoencoder import Autoencoded, load_autoencoder
from clipspace.models.contract import Encoder
from clipspace.models.facts import DecoderFacts
from clipspace.models.folders import PLAIN, Placement, check_config, load_part, side_of
from clipspace.models.offloading import device_of
from clipspace.models.precision import widened
from clipspace.models.scheduler_config import load_schedule

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, UNet2DConditionModel

IMAGE_VARIATIONS = DecoderFacts(
    name="sd-image-variations",
    class_names=("StableDiffusionImageVariationPipeline",),
    clip=("ViT-L-14/openai", "ViT-L-14-quickgelu/openai"),
    dim=768,
    scale="raw",
    takes="raw projection, as one token",
    null="zeros",
    output="512 px, KL latents",
    guidance_scale=3.0,
    sampler="PNDM",
    licence="CreativeML OpenRAIL-M",
    status="current",
    resize_mode="squash",
)
FACTS = (IMAGE_VARIATIONS,)


class ImageVariations(Autoencoded):
    """The embedding is the only token that the network attends to."""

    facts = IMAGE_VARIATIONS

    def __init__(self, unet: UNet2DConditionModel, vae: AutoencoderKL, schedule) -> None:
        self.unet, self.schedule = unet, schedule
        self._set_autoencoder(vae, side_of(unet, "unet"))
        self.dim = int(unet.config.cross_attention_dim)
        self.device, self.dtype = device_of(unet), unet.dtype

    def condition(self, z: torch.Tensor) -> torch.Tensor:
        return z[:, None].to(self.device, self.dtype)

    def null_condition(self, n: int) -> torch.Tensor:
        return torch.zeros(n, 1, self.dim, device=self.device, dtype=self.dtype)

    def predict(self, x_t: torch.Tensor, t: int, cond: torch.Tensor) -> torch.Tensor:
        return widened(self.unet(x_t.to(self.dtype), t, encoder_hidden_states=cond).sample)


def load(facts: DecoderFacts, folder: Path, place: Placement, encoder: Encoder) -> ImageVariations:
    """The safety checker of the folder is not used."""
    from diffusers import UNet2DConditionModel

    unet = load_part(UNet2DConditionModel, folder, "unet", place)
    check_config(unet, "unet", class_embed_type=None, in_channels=4, out_channels=4, **PLAIN)
    return ImageVariations(unet, load_autoencoder(folder, place), load_schedule(folder))
