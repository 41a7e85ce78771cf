"""Sampling by DDIM, deterministic or with fresh noise in every step; and by Euler's steps, where the schedule is a flow's.

A decoder is *what to predict* (a network) and *where* (a latent shape and a noise schedule). Every
parameterisation writes one DDIM step (Song et al. 2021, arXiv 2010.02502, equation 12) as

    x_s = A x_t + B f(x_t, t, z) + sigma noise,          s the timestep after t,

with two numbers A and B per step (`Schedule.step`), so sampling is a loop over this line. `inversion` solves the same line
for x_t. Samplers of some checkpoints also clip the x_0 that a step predicts; whether they do is part of the schedule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from clipspace.diffusion.denoiser import Denoiser
from clipspace.diffusion.flow import FlowSchedule
from clipspace.diffusion.schedule import Schedule
from clipspace.errors import InputError

AnySchedule = Schedule | FlowSchedule
"""What sampling and inversion walk through."""


def draw_noise(shape: tuple[int, ...], rngs: Sequence[np.random.Generator]) -> torch.Tensor:
    """Standard normal noise, one generator per row: a row is the same alone and in a batch, on any device."""
    return torch.from_numpy(np.stack([rng.standard_normal(shape, dtype=np.float32) for rng in rngs]))


@torch.inference_mode()
def sample(
    denoiser: Denoiser,
    schedule: AnySchedule,
    x_T: torch.Tensor,
    *,
    num_inference_steps: int,
    eta: float = 0.0,
    rngs: Sequence[np.random.Generator] | None = None,
    on_step: Callable[[], object] = lambda: None,
) -> torch.Tensor:
    """x_0 from ``x_T`` ``(n, *latent_shape)``, of the same shape.

    ``eta`` = 0 is deterministic DDIM; larger values put fresh noise from ``rngs``, one generator per row, into every step.
    x_0 is clipped in each step where the schedule says so: an ``x_T`` of `inversion.invert` wants
    ``schedule.without_limit()``. ``on_step`` is called after each step.
    """
    steps = schedule.steps(num_inference_steps)
    return take_steps(denoiser, schedule, x_T, steps, eta=eta, rngs=rngs, on_step=on_step)


def take_steps(
    denoiser: Denoiser,
    schedule: AnySchedule,
    x: torch.Tensor,
    steps: Sequence[tuple[float, float | None]],
    *,
    eta: float = 0.0,
    rngs: Sequence[np.random.Generator] | None = None,
    on_step: Callable[[], object] = lambda: None,
) -> torch.Tensor:
    """`sample` through given ``steps``, each a timestep and the next."""
    for t, s in steps:
        x, sigma = schedule.advance(x, denoiser(x, t), t, s, eta)
        if sigma > 0:
            if rngs is None:
                raise InputError("sample: eta > 0 draws noise; expected one generator per row in rngs, got None")
            x = torch.add(x, draw_noise(tuple(x.shape[1:]), rngs).to(x), alpha=sigma)
        on_step()
    return x
