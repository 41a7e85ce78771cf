"""Stable unCLIP, both sizes: Stable Diffusion 2.1 finetuned to take a noised CLIP embedding."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from clipspace.errors import InputError
from clipspace.models.autoencoder import Autoencoded, load_autoencoder
from clipspace.models.contract import Encoder
from clipspace.models.empty_prompt import read_empty_prompt
from clipspace.models.facts import DecoderFacts
from clipspace.models.folders import PLAIN, Placement, check_config, load_part, load_scheduler, side_of
from clipspace.models.offloading import device_of
from clipspace.models.precision import widened
from clipspace.models.scheduler_config import load_schedule

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
    from diffusers.pipelines.stable_diffusion.stable_unclip_image_normalizer import StableUnCLIPImageNormalizer

_COMMON = {
    "class_names": ("StableUnCLIPImg2ImgPipeline", "StableUnCLIPPipeline"),
    "scale": "raw",
    "null": "zeros, and the empty prompt",
    "output": "768 px, KL latents",
    "guidance_scale": 10.0,
    "sampler": "PNDM",
    "licence": "OpenRAIL++-M",
    "status": "current; the first repositories were deleted, give a copy",
    "resize_mode": "squash",
}
LARGE = DecoderFacts(
    name="stable-unclip-l",
    clip=("ViT-L-14/openai", "ViT-L-14-quickgelu/openai"),
    dim=768,
    takes="raw projection, normalised and back, then a noise level",
    **_COMMON,
)
HUGE = DecoderFacts(
    name="stable-unclip-h",
    clip=("ViT-H-14/laion2b_s32b_b79k",),
    dim=1024,
    takes="raw projection, then a noise level",
    **_COMMON,
)
FACTS = (LARGE, HUGE)


class StableUnCLIP(Autoencoded):
    """The network is given (z, embedding of the noise level) ``(n, 2 dim)``, and the empty prompt throughout.

    ``noise_level=None`` leaves z as it is. An integer noises it as in training, before the level's embedding;
    level 0 is a little noise, not none. The noise is one vector drawn from ``noise_seed`` for all rows, so a row
    is the same alone and in a batch.
    """

    def __init__(
        self,
        unet: UNet2DConditionModel,
        vae: AutoencoderKL,
        schedule,
        *,
        normalizer: StableUnCLIPImageNormalizer,
        noising: DDPMScheduler,
        empty_prompt: torch.Tensor,
        noise_level: int | None = None,
        noise_seed: int = 0,
    ) -> None:
        self.unet, self.schedule, self.normalizer, self.noising = unet, schedule, normalizer, noising
        most = int(noising.config.num_train_timesteps)
        if noise_level is not None and not 0 <= noise_level < most:
            raise InputError(f"noise_level: expected None or 0 to {most - 1}, got {noise_level}")
        self.noise_level, self.noise_seed = noise_level, noise_seed
        self._set_autoencoder(vae, side_of(unet, "unet"))
        self.dim = int(unet.config.projection_class_embeddings_input_dim) // 2
        self.facts = LARGE if self.dim == LARGE.dim else HUGE
        self.device, self.dtype = device_of(unet), unet.dtype
        self.empty_prompt = empty_prompt.to(self.device, unet.dtype)

    def condition(self, z: torch.Tensor) -> torch.Tensor:
        from diffusers.models.embeddings import get_timestep_embedding

        level = torch.tensor([self.noise_level or 0])
        if self.noise_level is not None:
            noise = torch.randn(1, self.dim, generator=torch.Generator().manual_seed(self.noise_seed))
            place = device_of(self.normalizer)
            scaled = self.normalizer.scale(z.float().to(place))
            z = self.normalizer.unscale(self.noising.add_noise(scaled, noise.to(place), level.to(place)))
        embedded = get_timestep_embedding(level, self.dim, flip_sin_to_cos=True, downscale_freq_shift=0)
        both = torch.cat([z.float().cpu(), embedded.expand(len(z), -1)], dim=1)
        return both.to(self.device, self.dtype)

    def null_condition(self, n: int) -> torch.Tensor:
        return torch.zeros(n, 2 * self.dim, device=self.device, dtype=self.dtype)

    def predict(self, x_t: torch.Tensor, t: int, cond: torch.Tensor) -> torch.Tensor:
        prompt = self.empty_prompt.expand(len(cond), -1, -1)
        return widened(self.unet(x_t.to(self.dtype), t, encoder_hidden_states=prompt, class_labels=cond).sample)


def load(
    facts: DecoderFacts,
    folder: Path,
    place: Placement,
    encoder: Encoder,
    *,
    noise_level: int | None = None,
    noise_seed: int = 0,
) -> StableUnCLIP:
    """``noise_level`` and ``noise_seed`` as `StableUnCLIP` takes them."""
    from diffusers import DDPMScheduler, UNet2DConditionModel
    from diffusers.pipelines.stable_diffusion.stable_unclip_image_normalizer import StableUnCLIPImageNormalizer

    on_cpu = place.on_cpu()
    unet = load_part(UNet2DConditionModel, folder, "unet", place)
    check_config(unet, "unet", class_embed_type="projection", in_channels=4, out_channels=4, **PLAIN)
    return StableUnCLIP(
        unet,
        load_autoencoder(folder, place),
        load_schedule(folder),
        normalizer=load_part(StableUnCLIPImageNormalizer, folder, "image_normalizer", on_cpu),
        noising=load_scheduler(DDPMScheduler, folder, "image_noising_scheduler"),
        empty_prompt=_empty_prompt(folder, on_cpu),
        noise_level=noise_level,
        noise_seed=noise_seed,
    )


def _empty_prompt(folder: Path, place: Placement) -> torch.Tensor:
    """Last hidden states ``(1, length, width)`` of the empty prompt."""
    from transformers import CLIPTextModel

    return read_empty_prompt(CLIPTextModel, folder, place)[0].last_hidden_state
