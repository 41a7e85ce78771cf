"""Decoders whose latents are those of a KL autoencoder (Rombach et al. 2022, arXiv 2112.10752)."""

from __future__ import annotations

from collections.abc import Callable
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
        means = row_by_row(lambda row: self.vae.encode(row).latent_dist.mode(), pixels.to(self.vae.dtype))
        return widened(means) * self.scaling_factor

    def pixels(self, latents: torch.Tensor) -> torch.Tensor:
        scaled = (latents / self.scaling_factor).to(self.vae.dtype)
        return widened(row_by_row(lambda row: self.vae.decode(row).sample, scaled))


def row_by_row(network: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """What a network gives for a batch, one row at a time, so that memory does not grow with the batch.

    An autoencoder holds a gigabyte of activations for one image of 512 pixels, far more than a step of the UNet.
    """
    return torch.cat([network(row) for row in x.split(1)])


def load_autoencoder(folder: Path, place: Placement) -> AutoencoderKL:
    """The ``vae`` of a folder, whose latents are scaled by one factor and not shifted."""
    from diffusers import AutoencoderKL

    vae = load_part(AutoencoderKL, folder, "vae", place)
    check_config(vae, "vae", shift_factor=None, latents_mean=None, latents_std=None)
    return vae
