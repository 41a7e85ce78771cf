"""Inverting an encoder without a decoder: pixels are optimised until their embedding is the one asked for.

Split as in lucid (Olah et al. 2017, Feature Visualization): a parameterisation of the image, an objective, and
random transforms that an adversarial pattern would not survive. After Kazemi et al. 2024 (arXiv 2403.02580):
cosine to the target over augmented copies, plus total variation. One view of the image a step, the image itself and
an augmented copy in turn: of one budget of evaluations, many cheap steps come nearer than few averaged ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from torch.nn.functional import affine_grid, cosine_similarity, grid_sample, interpolate

TV_WEIGHT = 0.0005
LEARNING_RATE = 0.02
_COARSEST = 8


class Differentiable(Protocol):
    """What `optimise` needs: raw embeddings of pixels in [0, 1], with a gradient."""

    def embed(self, pixels: torch.Tensor) -> torch.Tensor: ...


def optimise(
    encoder: Differentiable,
    embeds: torch.Tensor,
    x_T: torch.Tensor,
    *,
    num_inference_steps: int,
    rngs: Sequence[np.random.Generator],
    on_step: Callable[[], object] = lambda: None,
) -> torch.Tensor:
    """Pixels in [-1, 1], ``(n, 3, h, w)``, whose embedding points along ``embeds`` ``(n, d)``.

    ``x_T``, of the same shape, is where the search starts; ``rngs``, one for each row, draw its augmentations. Each step
    evaluates the encoder once. Finer levels of the image join as the steps go on, so that large shapes settle first.
    """
    target = torch.nn.functional.normalize(embeds.to(x_T), dim=-1)
    levels = pyramid(x_T)
    optimizer = torch.optim.Adam(levels, lr=LEARNING_RATE)
    for step in range(num_inference_steps):
        active = 1 + min(len(levels) - 1, 2 * len(levels) * step // num_inference_steps)
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * min(1.0, 4 * (1 - step / num_inference_steps))
        with torch.enable_grad():
            pixels = render(levels[:active], x_T.shape[-2:])
            view = jitter(pixels, rngs) if step % 2 else pixels
            cosines = cosine_similarity(encoder.embed(view), target, dim=-1)
            loss = TV_WEIGHT * total_variation(pixels).sum() - cosines.sum()
        grads = torch.autograd.grad(loss, levels[:active])
        for level, grad in zip(levels, grads, strict=False):
            level.grad = grad
        optimizer.step()
        on_step()
    return render(levels, x_T.shape[-2:]).detach() * 2 - 1


def pyramid(start: torch.Tensor) -> list[torch.Tensor]:
    """Parameters of the image from coarse to fine: 8 pixels a shorter side, 16, … up to that of ``start``."""
    shape = start.shape[-2:]
    short = min(shape)
    sides = [_COARSEST]
    while sides[-1] * 2 < short:
        sides.append(sides[-1] * 2)
    sizes = [[round(length * side / short) for length in shape] for side in sides]
    coarse = interpolate(0.1 * start, size=sizes[0], mode="area")
    finer = [start.new_zeros(len(start), 3, *size) for size in [*sizes[1:], shape]]
    return [level.clone().requires_grad_() for level in (coarse, *finer)]


def render(levels: list[torch.Tensor], size: Sequence[int]) -> torch.Tensor:
    """Pixels in [0, 1], ``size`` high and wide: the sigmoid of the sum of all levels."""
    grown = [interpolate(level, size=tuple(size), mode="bilinear", align_corners=False) for level in levels]
    return torch.sigmoid(4 * torch.stack(grown).sum(dim=0))


def jitter(pixels: torch.Tensor, rngs: Sequence[np.random.Generator]) -> torch.Tensor:
    """Each image rotated up to 5 degrees, moved up to a fortieth, scaled by 0.95 to 1.05; edges repeated."""
    drawn = np.stack([rng.uniform(-1, 1, 4) for rng in rngs], axis=1) * [[0.09], [0.05], [0.05], [0.05]]
    turn, scale, x, y = torch.from_numpy(drawn)
    cos, sin = turn.cos() * (1 + scale), turn.sin() * (1 + scale)
    rows = [torch.stack([cos, -sin, x]), torch.stack([sin, cos, y])]
    theta = torch.stack(rows).permute(2, 0, 1).to(pixels)
    grid = affine_grid(theta, list(pixels.shape), align_corners=False)
    return grid_sample(pixels, grid, padding_mode="border", align_corners=False)


def total_variation(pixels: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of neighbours, ``(n,)``, times 10."""
    across = pixels.diff(dim=-1).abs().mean(dim=(1, 2, 3))
    return 10 * (across + pixels.diff(dim=-2).abs().mean(dim=(1, 2, 3)))
