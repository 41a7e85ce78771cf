"""Kandinsky 2.2: the decoder that sees the embedding and nothing else (Razzhigaev et al. 2023, arXiv 2310.03502)."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from clipspace.errors import CheckpointError
from clipspace.models.autoencoder import row_by_row
from clipspace.models.contract import Encoder
from clipspace.models.diffusion_decoder import DiffusionDecoder
from clipspace.models.facts import DecoderFacts
from clipspace.models.folders import PLAIN, Placement, check_config, load_part, side_of
from clipspace.models.offloading import device_of
from clipspace.models.precision import widened
from clipspace.models.scheduler_config import load_schedule

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel, VQModel

KANDINSKY = DecoderFacts(
    name="kandinsky-2.2",
    class_names=("KandinskyV22Pipeline", "KandinskyV22CombinedPipeline"),
    clip=("ViT-bigG-14/laion2b_s39b_b160k",),
    dim=1280,
    scale="raw",
    takes="raw projection",
    null="embedding of a mean-coloured image",
    output="512 px, MoVQ latents",
    guidance_scale=4.0,
    sampler="DDPM, x_0 clipped where its config says so",
    licence="Apache-2.0",
    status="current",
    resize_mode="shortest",
    prior_guidance_scale=4.0,
)
FACTS = (KANDINSKY,)


class MoVQDecoder(DiffusionDecoder):
    """What Kandinsky 2.1 and 2.2 share: latents of a MoVQ, and "no condition".

    ``null_embeds (1, dim)`` is the CLIP embedding of an all-zero, hence mean-coloured, preprocessed image.
    The network's second half of channels, a learned variance, serves DDPM alone and is dropped.
    """

    def __init__(
        self, unet: UNet2DConditionModel, movq: VQModel, schedule, *, dim: int, null_embeds: torch.Tensor
    ) -> None:
        self.unet, self.movq, self.schedule, self.dim = unet, movq, schedule, dim
        self.channels = int(unet.config.in_channels)
        side = side_of(unet, "unet")
        self.latent_shape = (self.channels, side, side)
        self.resolution = side * 2 ** (len(movq.config.block_out_channels) - 1)
        self.device, self.dtype = device_of(unet), unet.dtype
        if null_embeds.shape[-1] != dim:
            raise CheckpointError(
                f"load_space: this Kandinsky decoder takes {dim} dimensions, the CLIP gives {null_embeds.shape[-1]}; "
                f"load it with {self.facts.clip[0]!r}"
            )
        self.null_embeds = null_embeds.to(self.device, unet.dtype)

    def condition(self, z: torch.Tensor) -> torch.Tensor:
        return z.to(self.device, self.dtype)

    def null_condition(self, n: int) -> torch.Tensor:
        return self.null_embeds.expand(n, -1)

    def latents(self, pixels: torch.Tensor) -> torch.Tensor:
        return widened(row_by_row(lambda row: self.movq.encode(row).latents, pixels.to(self.movq.dtype)))

    def pixels(self, latents: torch.Tensor) -> torch.Tensor:
        decode = partial(self.movq.decode, force_not_quantize=True, return_dict=False)
        return widened(row_by_row(lambda row: decode(row)[0], latents.to(self.movq.dtype)))


class Kandinsky(MoVQDecoder):
    """The network is told the embedding alone."""

    facts = KANDINSKY

    def predict(self, x_t: torch.Tensor, t: int, cond: torch.Tensor) -> torch.Tensor:
        both = self.unet(
            x_t.to(self.dtype), t, encoder_hidden_states=None, added_cond_kwargs={"image_embeds": cond}
        ).sample
        return widened(both[:, : self.channels])


def load(facts: DecoderFacts, folder: Path, place: Placement, encoder: Encoder) -> Kandinsky:
    """What stands for "no condition" comes from the encoder."""
    from diffusers import UNet2DConditionModel

    unet = load_part(UNet2DConditionModel, folder, "unet", place)
    takes = PLAIN | {"addition_embed_type": "image", "encoder_hid_dim_type": "image_proj", "class_embed_type": None}
    check_config(unet, "unet", in_channels=4, out_channels=8, **takes)
    dim, null_embeds = int(unet.config.encoder_hid_dim), encoder.zero_image()
    return Kandinsky(unet, load_movq(folder, place), load_schedule(folder), dim=dim, null_embeds=null_embeds)


def load_movq(folder: Path, place: Placement) -> VQModel:
    from diffusers import VQModel

    movq = load_part(VQModel, folder, "movq", place)
    check_config(movq, "movq", norm_type="spatial", latent_channels=4)
    return movq
