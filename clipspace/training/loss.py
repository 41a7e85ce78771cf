"""The loss of a decoder: what it misses of the clean image, and what an encoder sees of that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from clipspace.training.noise import DRAWS, LOOK_BELOW, LOOKING_DRAWS, draw_timesteps

NULL_RATE = 0.1
"""Share of the conditions that are dropped, for classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598)."""

Look = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Guesses and clean images ``(n, c, h, w)``, both unshuffled, and z ``(n, d)`` -> how unlike each guess looks, ``(n,)``."""


def denoising_loss(
    unet: torch.nn.Module,
    scheduler: Any,
    x0: torch.Tensor,
    told: torch.Tensor,
    null: torch.Tensor,
    rng: torch.Generator,
    *,
    z: torch.Tensor | None = None,
    look: Look | None = None,
    perceptual: float = 0.0,
) -> torch.Tensor:
    """E w |x_0 - f(x_t, t, z)|^2 with w the root of the signal-to-noise ratio, up to sqrt(5), and a perceptual term.

    Between the weights of v (Salimans & Ho 2022) and of Min-SNR (Hang et al. 2023, arXiv 2303.09556): with v's, what
    nobody can know, the place of a thing in pure noise, drowned the gradient of what can be learned, its outline.
    Timesteps are drawn as `DRAWS` says: most where outlines are decided, few where only places are.

    The squared error asks first where things are, and hardly what. ``look`` asks whether an encoder sees the same in a guess
    as in the image, below t = `LOOK_BELOW`; ``perceptual`` weighs it.

    Parameters
    ----------
    x0 : clean images, unshuffled, float32 ``(n, c, h, w)`` in [-1, 1]
    told : conditions ``(n, d)`` as the network takes them; ``null``, ``(d,)``, replaces the share `NULL_RATE`
    rng : on the device of ``x0``
    z : what ``look`` is told of each image, ``(n, d)``
    """
    n = len(x0)
    draws = DRAWS if look is None else LOOKING_DRAWS
    t = draw_timesteps(n, draws, rng)
    noise = torch.randn(x0.shape, generator=rng, device=rng.device)
    kept = torch.rand(n, generator=rng, device=rng.device) >= NULL_RATE
    x_t = scheduler.add_noise(x0, noise, t).contiguous(memory_format=torch.channels_last)
    cond = torch.where(kept[:, None], told, null)
    apart = torch.zeros(n, device=x0.device)
    with torch.autocast(x0.device.type, torch.bfloat16):
        guess = unet(x_t, t, encoder_hidden_states=None, class_labels=cond).sample.float()
        seen = torch.nonzero(kept & (t < LOOK_BELOW))[:, 0]
        if look is not None and len(seen):
            apart = apart.index_copy(0, seen, look(guess[seen], x0[seen], z[seen]).float())
    alpha = scheduler.alphas_cumprod.to(x0.device)[t]
    weight = (alpha / (1 - alpha)).clamp_max(5).sqrt() + draws.least_weight
    return (weight * ((guess - x0).square().mean(dim=(1, 2, 3)) + perceptual * apart)).mean()
