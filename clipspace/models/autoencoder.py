"""Decoders whose latents are those of a KL autoencoder (Rombach et al. 2022, arXiv 2112.10752)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from clipspace.models.diffusion_decoder import DiffusionDecoder
from clipspace.models.folders import Placement, check_config, load_part
from clipspace.models.precision import widened

if TYPE_CHECKING:
    from diffusers import AutoencoderKL


class Autoencoded(DiffusionDecoder):
    """A decoder that draws the latents of an autoencoder."""

    def _set_autoencoder(self, vae: AutoencoderKL, sample_size: int) -> None:
        self.vae = vae
        self.scaling_factor = float(vae.config.scaling_factor)
        self.latent_shape = (int(vae.config.latent_channels), sample_size, sample_size)
        self.resolution = sample_size * 2 ** (len(vae.config.block_out_channels) - 1)

    def latents(self, pixels: torch.Tensor) -> torch.Tensor:
        return widened(self.vae.encode(pixels.to(self.vae.dtype)).latent_dist.mode()) * self.scaling_factor

    def pixels(self, latents: torch.Tensor) -> torch.Tensor:
        return widened(self.vae.decode((latents / self.scaling_factor).to(self.vae.dtype), return_dict=False)[0])


def load_autoencoder(folder: Path, place: Placement) -> AutoencoderKL:
    """The ``vae`` of a folder, whose latents are scaled by one factor and not shifted."""
    from diffusers import AutoencoderKL

    vae = load_part(AutoencoderKL, folder, "vae", place)
    check_config(vae, "vae", shift_factor=None, latents_mean=None, latents_std=None)
    return vae
