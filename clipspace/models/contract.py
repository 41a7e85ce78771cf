"""What every decoder says of itself, and the pixels at its border. The contract is that of `diffusion.Denoiser`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from PIL import Image

from clipspace.errors import PrecisionError
from clipspace.models.folders import Placement, check_config, load_part
from clipspace.points.stamps import Stamp
from clipspace.sources.images import square

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

    from clipspace.diffusion.sampling import Schedule

Scale = Literal["raw", "any length"]


@dataclass(frozen=True)
class DecoderFacts:
    """One row of the table of decoders: what a decoder takes, gives and costs.

    Parameters
    ----------
    name : as in ``load_space(decoder=name)``
    class_names : pipelines whose folders hold it, as ``model_index.json`` names them
    clip : open_clip ids of the CLIP it was trained for, the first being the usual one
    dim : of that CLIP's embeddings
    scale : "raw" for the projection as it leaves the encoder; "any length" where only the direction is used
    takes : what is done with the vector before the network sees it
    null : what stands for "no condition" under classifier-free guidance
    guidance_scale : what its authors use where they draw the noise
    prior_guidance_scale : what the authors of the prior in the same repository use
    resize_mode : how images were made square for its training, as open_clip names it
    """

    name: str
    class_names: tuple[str, ...]
    clip: tuple[str, ...]
    dim: int
    scale: Scale
    takes: str
    null: str
    output: str
    guidance_scale: float
    licence: str
    status: str
    resize_mode: Literal["squash", "shortest"] | None = None
    prior_guidance_scale: float = 1.0


class ImageDecoder(ABC):
    """z -> image: *what to predict* (`predict` under `condition`) and *where* (latents and schedule).

    ``resolution`` is the side of its images in pixels; ``dtype`` the precision of its networks; ``clip`` the stamp of
    the CLIP it was trained for, or only the digest of its weights, as far as its folder tells.
    """

    facts: DecoderFacts
    schedule: Schedule
    latent_shape: tuple[int, ...]
    dim: int
    resolution: int
    device: torch.device
    dtype: torch.dtype
    clip: Stamp | str | None = None

    @abstractmethod
    def condition(self, embeds: torch.Tensor) -> torch.Tensor:
        """What the network is given for raw embeddings ``(n, dim)``; one row each."""

    @abstractmethod
    def null_condition(self, n: int) -> torch.Tensor:
        """``n`` rows of "no condition"."""

    @abstractmethod
    def predict(self, x_t: torch.Tensor, t: int, cond: torch.Tensor) -> torch.Tensor:
        """The network's output, `widened`, in the parameterisation that ``schedule`` names."""

    @abstractmethod
    def latents(self, pixels: torch.Tensor) -> torch.Tensor:
        """Latents ``(n, *latent_shape)`` of pixels in [-1, 1], ``(n, 3, resolution, resolution)``."""

    @abstractmethod
    def pixels(self, latents: torch.Tensor) -> torch.Tensor:
        """Pixels in [-1, 1] (not clamped) of latents."""

    @torch.inference_mode()
    def to_latents(self, images: list[Image.Image]) -> torch.Tensor:
        """Latents of the centre squares of images."""
        arrays = np.stack([np.asarray(square(image, self.resolution), dtype=np.float32) for image in images])
        return self.latents((torch.from_numpy(arrays).permute(0, 3, 1, 2) / 127.5 - 1).to(self.device))

    @torch.inference_mode()
    def to_images(self, latents: torch.Tensor) -> list[Image.Image]:
        """Images of latents. Raises `PrecisionError` where they, or the pixels of them, are not finite."""
        check_finite(latents, "decode: latents", self.dtype)
        return as_images(self.pixels(latents), self.dtype)


def as_images(pixels: torch.Tensor, dtype: torch.dtype) -> list[Image.Image]:
    """Images of pixels in [-1, 1], ``(n, 3, h, w)``, clamped, that networks of ``dtype`` gave."""
    check_finite(pixels, "decode: pixels", dtype)
    array = pixels.float().cpu().add(1).mul(127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    return [Image.fromarray(a) for a in array]


def check_finite(values: torch.Tensor, what: str, dtype: torch.dtype) -> None:
    """Raise `PrecisionError` where rows that networks of ``dtype`` gave hold NaN or infinity."""
    rows = torch.nonzero(~values.isfinite().flatten(1).all(dim=1)).flatten().tolist()
    if rows:
        name = str(dtype).removeprefix("torch.")
        cure = (
            "which overflows above 65,504; load the space with dtype='bfloat16' or 'float32'"
            if dtype == torch.float16
            else "whose range is not at fault; check the weights and the vectors, or use fewer or more steps"
        )
        raise PrecisionError(
            f"{what}: expected finite numbers, got NaN or infinity in rows {rows[:5]} of a batch of {len(values)} from networks "
            f"in {name}, {cure}"
        )


def working_dtype(dtype: torch.dtype) -> torch.dtype:
    """The precision in which samplers carry what networks of ``dtype`` give: float32, or float64 where they are."""
    return torch.promote_types(dtype, torch.float32)


def widened(x: torch.Tensor) -> torch.Tensor:
    """``x`` in the precision that samplers work in."""
    return x.to(working_dtype(x.dtype))


class Autoencoded(ImageDecoder):
    """A decoder whose latents are those of a KL autoencoder (Rombach et al. 2022, arXiv 2112.10752)."""

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
