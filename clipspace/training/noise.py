"""The noise that decoders are trained with, and how often each timestep is drawn."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

NOISE_LEFT = 6e-4
"""Variance of the noise that a finished image is taken to hold: about what the network misses of one.

What it misses stands in x_T divided by the root of this. With the 1e-4 of DDPM's betas x_T had a standard deviation of
2.2 and not 0.9, sampling could enlarge an error 300,000 times and not 200, and decodes were no better.
"""
SCHEDULER = {
    "trained_betas": [NOISE_LEFT, *np.linspace(1e-4, 0.02, 1000)[1:].tolist()],
    "prediction_type": "sample",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "timestep_spacing": "trailing",
}
"""Arguments of a diffusers ``DDIMScheduler``. Linear betas make steps dwell where outlines are decided."""


class Draws(NamedTuple):
    """Timesteps in training: stretches of first, last and share of the draws; and the weight that a draw has at least."""

    stretches: tuple[tuple[float, float, float], ...]
    least_weight: float


DRAWS = Draws(((0.0, 150.0, 0.12), (150.0, 650.0, 0.7), (650.0, 1000.0, 0.18)), least_weight=0.05)
LOOKING_DRAWS = Draws(((0.0, 150.0, 0.12), (150.0, 450.0, 0.38), (450.0, 1000.0, 0.5)), least_weight=0.15)
"""Where an encoder looks: half of them keep the averages what they were."""
LOOK_BELOW = 450
"""An encoder looks at guesses of earlier timesteps. Later ones are averages of all places where a thing may be, and asked to
look like one image the network decides for a place at once: exact codes of images it would not draw are then lost."""


def draw_timesteps(n: int, draws: Draws, rng: torch.Generator) -> torch.Tensor:
    """``n`` timesteps, int64, as often from each stretch as ``draws`` says; on the device of ``rng``."""
    starts, stops, shares = torch.tensor(draws.stretches, device=rng.device).T
    stretch = torch.multinomial(shares, n, replacement=True, generator=rng)
    return torch.lerp(starts[stretch], stops[stretch], torch.rand(n, generator=rng, device=rng.device)).long()
