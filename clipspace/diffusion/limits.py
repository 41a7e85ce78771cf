"""Which steps of unlimited sampling a schedule's limit of x_0 would change: from there on a limited sampler is inverted too."""

from __future__ import annotations

import torch

from clipspace.diffusion.denoiser import Denoiser
from clipspace.diffusion.sampling import AnySchedule

UNCHANGED = 1e-2
"""Largest change of an element of x_0, in latents, that counts as none: white is 1, and a code returns it to this accuracy."""


@torch.inference_mode()
def unlimited_steps(
    denoiser: Denoiser, schedule: AnySchedule, x_T: torch.Tensor, *, num_inference_steps: int
) -> torch.Tensor:
    """How many of the last steps from each row of ``x_T`` the limit of ``schedule`` leaves as they are, ``(n,)``.

    The steps are those of `sampling.sample` at ``eta`` = 0 under ``schedule.without_limit()``. If it is k, then both samplers
    take x_t at the k-th last timestep to the same x_0. Costs one evaluation a step.
    """
    free, x = schedule.without_limit(), x_T
    count = torch.zeros(len(x), dtype=torch.long, device=x.device)
    for t, s in schedule.steps(num_inference_steps):
        output = denoiser(x, t)
        count += 1
        if schedule.limit is not None:
            x_0, _ = schedule.predicted(x, output, t)
            change = (schedule.limit(x_0) - x_0).abs().flatten(1).amax(dim=1)
            count[~(change <= UNCHANGED)] = 0  # NaN is a change
        x, _ = free.advance(x, output, t, s)
    return count
