"""The network of a decoder: built, averaged, and read as the decoder that it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from clipspace.models.decoders.pixel_decoder import PixelDecoder
from clipspace.models.scheduler_config import load_schedule
from clipspace.points.stamps import Stamp
from clipspace.seeds import child_seed

EMA_HALF_LIFE = 44_000
"""Images after which a weight counts half in the average (Karras et al. 2022, arXiv 2206.00364, appendix F)."""


def averages(network: torch.nn.Module, batch_size: int) -> Any:
    """A running average of a network's weights (diffusers' ``EMAModel``), which follows closely at first."""
    from diffusers.training_utils import EMAModel

    decay = 0.5 ** (batch_size / EMA_HALF_LIFE)
    return EMAModel(network.parameters(), decay=decay, inv_gamma=1.0, power=0.8, use_ema_warmup=True)


def averaged(config: dict[str, Any], ema: Any) -> torch.nn.Module:
    """A new ``UNet2DConditionModel`` on the CPU with the averaged weights."""
    from diffusers import UNet2DConditionModel

    network = UNet2DConditionModel(**config)
    ema.copy_to(network.parameters())
    return network


def decoder_at(folder: Path, unshuffle: int, stamp: Stamp, device: torch.device) -> PixelDecoder:
    """The decoder in ``folder``, without its encoder."""
    from diffusers import UNet2DConditionModel

    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet").eval().requires_grad_(False)
    unet = unet.to(device, memory_format=torch.channels_last)
    return PixelDecoder(unet, load_schedule(folder), unshuffle=unshuffle, clip=stamp)


def drawn_network(config: dict[str, Any], *, seed: int) -> torch.nn.Module:
    """A new ``UNet2DConditionModel``, its weights drawn by the seed alone."""
    from diffusers import UNet2DConditionModel

    return drawn_by(lambda: UNet2DConditionModel(**config), seed=seed)


def drawn_by(build: Callable[[], torch.nn.Module], *, seed: int) -> torch.nn.Module:
    """What ``build`` builds, its weights drawn by the seed alone; the state of torch's generator is left as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(child_seed(seed, "weights"))
        return build()


def size_of(config: dict[str, Any]) -> int:
    """Bytes of the weights of a network in float32; nothing is drawn or kept."""
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        return 4 * sum(weight.numel() for weight in UNet2DConditionModel(**config).parameters())
