"""Karlo: the open decoder nearest to DALL-E 2's (Lee et al. 2022, kakaobrain/karlo): 64 pixels, then upsamplers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch

from clipspace.models.contract import Encoder
from clipspace.models.diffusion_decoder import DiffusionDecoder
from clipspace.models.empty_prompt import read_empty_prompt
from clipspace.models.facts import DecoderFacts
from clipspace.models.folders import PLAIN, Placement, check_config, holds, load_part, load_scheduler, side_of
from clipspace.models.offloading import device_of, own_parameter
from clipspace.models.precision import widened
from clipspace.models.scheduler_config import load_schedule

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel, UNet2DModel
    from diffusers.pipelines.deprecated.unclip.text_proj import UnCLIPTextProjModel
    from diffusers.schedulers.scheduling_unclip import UnCLIPScheduler

KARLO = DecoderFacts(
    name="karlo",
    class_names=("UnCLIPImageVariationPipeline", "UnCLIPPipeline"),
    clip=("ViT-L-14/openai", "ViT-L-14-quickgelu/openai"),
    dim=768,
    scale="raw",
    takes="raw projection, into the timestep embedding and as 4 tokens",
    null="a learned vector, and the empty prompt",
    output="64 px, pixels; 256 px upsampled",
    guidance_scale=8.0,
    sampler="DDPM with a learned variance, x_0 clipped",
    licence="CreativeML OpenRAIL-M",
    status="deprecated in diffusers, still loads",
    resize_mode="squash",
    prior_guidance_scale=4.0,
)
FACTS = (KARLO,)


class Prompt(NamedTuple):
    """The empty prompt: pooled ``(1, dim)``, hidden states ``(1, length, width)``, mask ``(1, length)``."""

    pooled: torch.Tensor
    hidden: torch.Tensor
    mask: torch.Tensor


class Upsampler(NamedTuple):
    """Diffusion from a small image to a large one, the last step by a network of its own."""

    first: UNet2DModel
    last: UNet2DModel
    scheduler: UnCLIPScheduler
    steps: int = 7
    seed: int = 0

    def __call__(
        self, small: torch.Tensor, noise: torch.Tensor | None = None, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """Pixels of the large image; all noise is drawn from ``seed`` unless given."""
        side, channels = side_of(self.first, "super_res_first"), int(self.first.config.in_channels) // 2
        generator = generator or torch.Generator().manual_seed(self.seed)
        if noise is None:
            noise = torch.randn(len(small), channels, side, side, generator=generator)
        x = noise.to(small)
        guide = torch.nn.functional.interpolate(
            small, size=(side, side), mode="bicubic", align_corners=False, antialias=True
        )
        self.scheduler.set_timesteps(self.steps)
        times = self.scheduler.timesteps.tolist()
        for t, s in zip(times, [*times[1:], None], strict=True):
            network = self.last if s is None else self.first
            guess = widened(network(torch.cat([x, guide], dim=1).to(network.dtype), t).sample)
            x = self.scheduler.step(guess, t, x, prev_timestep=s, generator=generator).prev_sample
        return x


class Karlo(DiffusionDecoder):
    """Latents are the 64-pixel image; `pixels` upsamples it where the folder holds the upsamplers.

    The network's second half of channels, a learned variance, serves its own stochastic sampler alone.
    """

    facts = KARLO

    def __init__(
        self,
        unet: UNet2DConditionModel,
        projection: UnCLIPTextProjModel,
        schedule,
        *,
        prompt: Prompt,
        upsampler: Upsampler | None = None,
    ) -> None:
        self.unet, self.projection, self.schedule, self.upsampler = unet, projection, schedule, upsampler
        self.device, self.dtype = device_of(unet), unet.dtype
        self.prompt = Prompt(
            prompt.pooled.to(self.device, unet.dtype), prompt.hidden.to(self.device, unet.dtype),
            prompt.mask.to(self.device),
        )  # fmt: skip
        self.channels = int(unet.config.in_channels)
        self.resolution = side_of(unet, "decoder")
        self.latent_shape = (self.channels, self.resolution, self.resolution)
        self.dim = int(projection.config.clip_embeddings_dim)

    def condition(self, z: torch.Tensor) -> torch.Tensor:
        return z.to(self.device, self.dtype)

    def null_condition(self, n: int) -> torch.Tensor:
        return own_parameter(self.projection, "learned_classifier_free_guidance_embeddings").expand(n, -1)

    def predict(self, x_t: torch.Tensor, t: int, cond: torch.Tensor) -> torch.Tensor:
        return widened(self.predict_with_variance(x_t, t, cond)[:, : self.channels])

    def predict_with_variance(self, x_t: torch.Tensor, t: int, cond: torch.Tensor) -> torch.Tensor:
        """All channels ``(n, 2 c, h, w)``: the noise, then the variance that Karlo's own sampler uses."""
        n = len(cond)
        tokens, added = self.projection(
            image_embeddings=cond,
            prompt_embeds=self.prompt.pooled.expand(n, -1),
            text_encoder_hidden_states=self.prompt.hidden.expand(n, -1, -1),
            do_classifier_free_guidance=False,
        )
        extra = int(self.projection.config.clip_extra_context_tokens)
        mask = torch.nn.functional.pad(self.prompt.mask, (extra, 0), value=True).expand(n, -1)
        return self.unet(
            x_t.to(self.dtype), t, encoder_hidden_states=tokens, class_labels=added, attention_mask=mask
        ).sample

    def latents(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.float()

    def pixels(self, latents: torch.Tensor) -> torch.Tensor:
        if self.upsampler is None:
            return latents
        small = latents.clamp(-1, 1)  # one at a time, so that an image does not depend on its batch
        return torch.cat([self.upsampler(row[None]) for row in small])


def load(facts: DecoderFacts, folder: Path, place: Placement, encoder: Encoder, *, upsample: bool = True) -> Karlo:
    """``upsample=False`` leaves images at the decoder's 64 pixels, where inversion is exact."""
    from diffusers import UNet2DConditionModel
    from diffusers.pipelines.deprecated.unclip.text_proj import UnCLIPTextProjModel

    upsampler = _load_upsampler(folder, place) if upsample and holds(folder, "super_res_first") else None
    unet = load_part(UNet2DConditionModel, folder, "decoder", place)
    check_config(unet, "decoder", class_embed_type="identity", in_channels=3, out_channels=6, **PLAIN)
    return Karlo(
        unet,
        load_part(UnCLIPTextProjModel, folder, "text_proj", place),
        load_schedule(folder, "decoder_scheduler"),
        prompt=_empty_prompt(folder, place.on_cpu()),
        upsampler=upsampler,
    )


def _load_upsampler(folder: Path, place: Placement) -> Upsampler:
    from diffusers import UNet2DModel
    from diffusers.schedulers.scheduling_unclip import UnCLIPScheduler

    upsampler = Upsampler(
        load_part(UNet2DModel, folder, "super_res_first", place),
        load_part(UNet2DModel, folder, "super_res_last", place),
        load_scheduler(UnCLIPScheduler, folder, "super_res_scheduler"),
    )
    side_of(upsampler.first, "super_res_first")  # raises before anything is drawn
    return upsampler


def _empty_prompt(folder: Path, place: Placement) -> Prompt:
    from transformers import CLIPTextModelWithProjection

    output, mask = read_empty_prompt(CLIPTextModelWithProjection, folder, place)
    return Prompt(output.text_embeds, output.last_hidden_state, mask)
