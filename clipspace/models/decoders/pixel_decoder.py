"""The mini decoder, and those that `clipspace train-decoder` makes: a diffusers UNet on unshuffled pixels, told z alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from clipspace.models.contract import Encoder
from clipspace.models.diffusion_decoder import DiffusionDecoder
from clipspace.models.facts import DecoderFacts
from clipspace.models.folders import PLAIN, Placement, check_config, clip_of, load_part, read_index, side_of
from clipspace.models.offloading import device_of
from clipspace.models.precision import widened
from clipspace.models.scheduler_config import load_schedule
from clipspace.points.stamps import Stamp

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel

MINI = DecoderFacts(
    name="mini",
    class_names=("UnCLIPDecoder",),
    clip=("mini",),
    dim=128,
    scale="any length",
    takes="unit vector times sqrt(d)",
    null="zeros",
    output="64 px, pixels",
    guidance_scale=1.0,
    sampler="DDIM",
    licence="MIT",
    status="ships with clipspace",
)
FACTS = (MINI,)


class PixelDecoder(DiffusionDecoder):
    """z -> image in pixel space. The latents are the pixels themselves, unshuffled: exact and invertible."""

    def __init__(self, unet: UNet2DConditionModel, schedule, *, unshuffle: int, clip: Stamp | str) -> None:
        self.unet, self.schedule, self.unshuffle, self.clip = unet, schedule, unshuffle, clip
        side = side_of(unet, "unet")
        self.latent_shape = (int(unet.config.in_channels), side, side)
        self.dim = int(unet.config.projection_class_embeddings_input_dim)
        self.resolution = side * unshuffle
        self.device, self.dtype = device_of(unet), unet.dtype
        self.facts = MINI if isinstance(clip, str) or clip.model == MINI.name else self._own_facts(clip)

    def _own_facts(self, clip: Stamp) -> DecoderFacts:
        """What is known of a decoder that `clipspace train-decoder` made."""
        output = f"{self.resolution} px, pixels"
        own = {"licence": "its owner's", "status": "trained by its user"}
        return replace(MINI, name="pixel", clip=(clip.model,), dim=self.dim, output=output, **own)

    def condition(self, z: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(z, dim=-1).mul(self.dim**0.5).to(self.device, self.dtype)

    def null_condition(self, n: int) -> torch.Tensor:
        return torch.zeros(n, self.dim, device=self.device, dtype=self.dtype)

    def predict(self, x_t: torch.Tensor, t: int, cond: torch.Tensor) -> torch.Tensor:
        x_t = x_t.to(self.dtype, memory_format=torch.channels_last)
        return widened(self.unet(x_t, t, encoder_hidden_states=None, class_labels=cond, return_dict=False)[0])

    def latents(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pixel_unshuffle(pixels, self.unshuffle)

    def pixels(self, latents: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pixel_shuffle(latents, self.unshuffle)


def load(facts: DecoderFacts, folder: Path, place: Placement, encoder: Encoder) -> PixelDecoder:
    """A folder of clipspace's own, such as that of the mini space."""
    from diffusers import UNet2DConditionModel

    index = read_index(folder)
    unet = load_part(UNet2DConditionModel, folder, "unet", place).to(memory_format=torch.channels_last)
    check_config(unet, "unet", class_embed_type="projection", out_channels=unet.config.in_channels, **PLAIN)
    return PixelDecoder(unet, load_schedule(folder), unshuffle=index["pixel_unshuffle"], clip=clip_of(index))
