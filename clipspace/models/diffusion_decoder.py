"""`DiffusionDecoder`: the decoders that denoise. An adapter says how its network is told z, and what its latents are."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image

from clipspace.diffusion import inversion, limits, sampling
from clipspace.diffusion.denoiser import denoiser_of
from clipspace.diffusion.sampling import AnySchedule
from clipspace.models.contract import Decoder
from clipspace.models.facts import DecoderFacts
from clipspace.models.image_tensors import as_images, as_pixels
from clipspace.models.precision import check_finite, check_resolution
from clipspace.points.stamps import Stamp


class DiffusionDecoder(Decoder):
    """z -> image: *what to predict* (`predict` under `condition`) and *where* (latents and ``schedule``).

    ``dim`` is the dimension of z; ``dtype`` the precision of its networks; ``clip`` the stamp of the CLIP it was trained for,
    or only the digest of its weights, as far as its folder tells.
    """

    inverts = guides = True
    num_inference_steps = 50
    facts: DecoderFacts
    schedule: AnySchedule
    dim: int
    device: torch.device
    dtype: torch.dtype
    clip: Stamp | str | None = None

    @property
    def name(self) -> str:
        return self.facts.name

    @property
    def takes_raw(self) -> bool:
        return self.facts.scale == "raw"

    @property
    def guidance_scale(self) -> float:
        """What its authors use."""
        return self.facts.guidance_scale

    @abstractmethod
    def condition(self, z: torch.Tensor) -> torch.Tensor:
        """What the network is given for raw embeddings ``(n, dim)``; one row each."""

    @abstractmethod
    def null_condition(self, n: int) -> torch.Tensor:
        """``n`` rows of "no condition"."""

    @abstractmethod
    def predict(self, x_t: torch.Tensor, t: int, cond: torch.Tensor) -> torch.Tensor:
        """The network's output, `precision.widened`, in the parameterisation that ``schedule`` names."""

    @abstractmethod
    def latents(self, pixels: torch.Tensor) -> torch.Tensor:
        """Latents ``(n, *latent_shape)`` of pixels in [-1, 1], ``(n, 3, resolution, resolution)``."""

    @abstractmethod
    def pixels(self, latents: torch.Tensor) -> torch.Tensor:
        """Pixels in [-1, 1] (not clamped) of latents."""

    def check_steps(self, num_inference_steps: int) -> None:
        self.schedule.timesteps(num_inference_steps)

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
        """Latents of ``z`` and ``x_T``; ``clip_sample`` limits x_0 in each step where the checkpoint's own sampler does.

        Raises `PrecisionError` where steps that do not clip divide by less than the networks' dtype resolves.
        """
        schedule = self.schedule if clip_sample else self.schedule.without_limit()
        clips = ", or clip as its authors do (clip_sample=True)" if self.schedule.limit is not None else ""
        check_resolution(schedule, num_inference_steps, self.dtype, "decode", cure=clips)
        return sampling.sample(
            denoiser_of(self, z, guidance_scale),
            schedule,
            x_T,
            num_inference_steps=num_inference_steps,
            eta=eta,
            rngs=rngs,
            on_step=on_step,
        )

    def invert(
        self,
        z: torch.Tensor,
        x_0: torch.Tensor,
        *,
        num_inference_steps: int,
        guidance_scale: float = 1.0,
        method: inversion.Method = "exact",
        restarts: int = inversion.RESTARTS,
        on_step: Callable[[], object] = lambda: None,
    ) -> inversion.Inversion:
        """The x_T from which `draw`, without clipping, draws the latents ``x_0`` of ``z``.

        A row of ``x_0`` or ``z`` that is not finite has no inverse: see `inversion.invert`. Raises `PrecisionError` as `draw`.
        """
        schedule = self.schedule.without_limit()
        check_resolution(schedule, num_inference_steps, self.dtype, "invert")
        known = z.isfinite().all(dim=1).to(x_0.device).view(-1, *[1] * (x_0.ndim - 1))
        return inversion.invert(
            denoiser_of(self, z, guidance_scale),
            schedule,
            x_0.where(known, torch.nan),
            num_inference_steps=num_inference_steps,
            method=method,
            restarts=restarts,
            on_step=on_step,
        )

    def unlimited_steps(
        self, z: torch.Tensor, x_T: torch.Tensor, *, num_inference_steps: int, guidance_scale: float = 1.0
    ) -> torch.Tensor:
        """How many of the last steps of `draw` without clipping are as with clipping: see `limits.unlimited_steps`."""
        denoiser = denoiser_of(self, z, guidance_scale)
        return limits.unlimited_steps(denoiser, self.schedule, x_T, num_inference_steps=num_inference_steps)

    @torch.inference_mode()
    def to_latents(self, images: list[Image.Image]) -> torch.Tensor:
        """Latents of the centre squares of images."""
        return self.latents(as_pixels(images, self.resolution).to(self.device))

    @torch.inference_mode()
    def to_images(self, latents: torch.Tensor) -> list[Image.Image]:
        check_finite(latents, "decode: latents", self.dtype)
        return as_images(self.pixels(latents), self.dtype)
