"""The three contracts: what a space asks of its encoder, its decoder and its prior.

A decoder draws by diffusion (`diffusion_decoder.DiffusionDecoder`), or optimises pixels (`gradient_decoder.GradientDecoder`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from PIL import Image

from clipspace.diffusion import sampling
from clipspace.diffusion.denoiser import denoiser_of
from clipspace.diffusion.schedule import Schedule
from clipspace.models.facts import DecoderFacts
from clipspace.models.network import TextTower
from clipspace.points.stamps import Stamp


class Encoder(Protocol):
    """Images and texts -> raw (not normalised) vectors of one space; `models.encoder.NetworkEncoder` is one.

    ``identifier`` is the id it was loaded by, ``stamp`` names its space and ``features_stamp`` that of its features;
    ``image_shape`` is the height and width that the model sees, ``image_size`` the longer of them. ``logit_scale`` and
    ``logit_bias`` are those of its contrastive loss. ``precision`` names its dtype, ``wider`` says what to do where it overflows.
    An encoder of images alone raises `CapabilityError` where it is given texts.
    """

    identifier: str
    stamp: Stamp
    image_shape: tuple[int, int]
    image_size: int
    context_length: int
    logit_bias: float | None

    @property
    def logit_scale(self) -> float: ...

    @property
    def features_stamp(self) -> Stamp: ...

    @property
    def device(self) -> torch.device: ...

    @property
    def dtype(self) -> torch.dtype: ...

    @property
    def precision(self) -> str: ...

    @property
    def wider(self) -> str: ...

    def prepare(self, image: Image.Image) -> torch.Tensor:
        """The pixels that the model sees of an image."""

    def pixels(self, prepared: Sequence[torch.Tensor], *, batch_size: int | None = None) -> np.ndarray:
        """Vectors ``(n, d)`` of prepared images; ``batch_size`` pads the batch to that many."""

    def images(self, images: Sequence[Image.Image], *, batch_size: int | None = None) -> np.ndarray:
        """Vectors ``(n, d)`` of images."""

    def features(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Features ``(n, width)`` of images before the projection into the space."""

    def differentiable(self, pixels: torch.Tensor) -> torch.Tensor:
        """Vectors ``(n, d)`` of pixels in [0, 1], with a gradient."""

    def zero_image(self) -> torch.Tensor:
        """The vector ``(1, d)`` of an image of the mean colour."""

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors ``(n, d)`` of texts."""

    def text_tokens(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Vectors ``(n, d)`` of texts, and the last hidden states ``(n, length, width)``."""

    def says_nothing(self, text: str) -> bool:
        """Whether the tokenizer keeps no word of a text."""


class Decoder(ABC):
    """(z, x_T) -> image.

    ``latent_shape`` is the shape of one x_T, ``resolution`` the side of an image in pixels. ``name`` is told in errors.
    ``takes_raw``: the length of z matters, as the encoder gave it. ``inverts``: it has a noise schedule and latents of images,
    so that the x_T of an image can be found. ``guides``: it can weigh z against no condition. ``num_inference_steps`` and
    ``guidance_scale`` are what it takes where the caller names none.
    """

    latent_shape: tuple[int, ...]
    resolution: int
    name: str
    takes_raw: bool
    inverts: ClassVar[bool]
    guides: ClassVar[bool]
    num_inference_steps: int
    guidance_scale: float

    @abstractmethod
    def check_steps(self, num_inference_steps: int) -> None:
        """Raise `InputError` for a number of steps that it cannot take; warn (`ConvergenceWarning`) of one that is poor."""

    @abstractmethod
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
        """Latents ``(n, *latent_shape)`` of raw embeddings ``z (n, dim)`` and of ``x_T (n, *latent_shape)``.

        ``rngs``, one for each row, draw what a step draws. ``on_step`` is called after each step.
        """

    @abstractmethod
    def to_images(self, latents: torch.Tensor) -> list[Image.Image]:
        """Images of latents. Raises `PrecisionError` where they, or the pixels of them, are not finite."""


class Prior(ABC):
    """Text -> image embedding, by diffusion in embedding space (Ramesh et al. 2022, section 2.2).

    ``reads_texts`` tells priors that are given the texts themselves from those that are given their embeddings. ``clip`` is as
    that of a `DiffusionDecoder`. ``num_inference_steps`` and ``guidance_scale`` are what it takes where the caller names none.
    """

    facts: DecoderFacts
    reads_texts: ClassVar[bool]
    schedule: Schedule
    latent_shape: tuple[int, ...]
    dim: int
    device: torch.device
    clip: Stamp | str | None = None
    num_inference_steps = 25

    @property
    def guidance_scale(self) -> float:
        """What its authors use."""
        return self.facts.prior_guidance_scale

    def text_tower(self) -> TextTower | None:
        """A text tower of its CLIP that it brings itself, for an encoder that has none; None where it brings none."""
        return None

    @abstractmethod
    def inputs(self, texts: Sequence[str], unit: np.ndarray) -> Any:
        """What `condition` takes, of texts and of their unit embeddings ``(n, d)``: the one or the other."""

    @abstractmethod
    def condition(self, z: Any) -> Any:
        """What the network is given for `inputs`."""

    @abstractmethod
    def null_condition(self, n: int) -> Any:
        """``n`` rows of "no condition"."""

    @abstractmethod
    def predict(self, x_t: torch.Tensor, t: int, cond: Any) -> torch.Tensor:
        """The network's output, `precision.widened`, in the parameterisation that ``schedule`` names."""

    @abstractmethod
    def to_embeds(self, latents: torch.Tensor) -> torch.Tensor:
        """Raw image embeddings of latents."""

    def draw(
        self,
        z: Any,
        x_T: torch.Tensor,
        *,
        num_inference_steps: int,
        guidance_scale: float = 1.0,
        clip_sample: bool = True,
    ) -> torch.Tensor:
        """Latents ``(n, dim)`` of `inputs` and of ``x_T (n, dim)``; each step limits x_0 as the authors' sampler does."""
        schedule = self.schedule if clip_sample else self.schedule.without_limit()
        denoiser = denoiser_of(self, z, guidance_scale)
        return sampling.sample(denoiser, schedule, x_T, num_inference_steps=num_inference_steps)
