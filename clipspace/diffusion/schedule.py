"""A noise schedule: the noise of every training timestep, which of them a sampler visits, and the DDIM step between two."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from clipspace.errors import ConvergenceWarning, InputError

Prediction = Literal["epsilon", "v_prediction", "sample"]
_SKIPPED = 20
"""Share of the training timesteps, one in so many, that a start may skip beyond one step before it warns."""


@dataclass(frozen=True, eq=False)
class Schedule:
    """A noise schedule: cumulative alphas per training timestep, and which of them ``n`` steps visit.

    Parameters
    ----------
    alphas_cumprod : float64 tensor (T,), the share of signal in the variance at each training timestep
    final_alpha_cumprod : the same of the finished image
    prediction : what the network answers with
    spacing : the timesteps of ``n`` steps, from noise to image
    limit : what every step does to the x_0 that it predicts, such as `clipping`; None for nothing. A limited step has no
        inverse: see `without_limit`
    keeps_noise : after the limit a step goes on with the noise as predicted, as diffusers' DDIM does; all other samplers
        recompute it from the limited x_0
    """

    alphas_cumprod: torch.Tensor
    final_alpha_cumprod: float
    prediction: Prediction
    spacing: Callable[[int], Sequence[int]]
    limit: Callable[[torch.Tensor], torch.Tensor] | None = None
    keeps_noise: bool = False

    def without_limit(self) -> Schedule:
        """The same schedule, whose steps leave the predicted x_0 as it is, and so can be inverted."""
        return replace(self, limit=None)

    def steps(self, num_inference_steps: int) -> list[tuple[int, int | None]]:
        """Every step from noise to image: its timestep and the next, which is None for the image. Errors as `timesteps`."""
        times = self.timesteps(num_inference_steps)
        return list(zip(times, [*times[1:], None], strict=True))

    def timesteps(self, num_inference_steps: int) -> list[int]:
        """Timesteps from noise to image.

        Raises `InputError` unless there are 1 to T of them, all of which the network was trained at. Warns where the first
        is far from the noisiest, for x_T is pure noise all the same (Lin et al. 2024, arXiv 2305.08891, section 3.3).
        """
        total = len(self.alphas_cumprod)
        steps = check_step_count(num_inference_steps, total)
        times = [int(t) for t in self.spacing(steps)]
        if min(times) < 0 or max(times) >= total:
            raise InputError(
                f"num_inference_steps: {steps} steps of this schedule reach from t={times[0]} to t={times[-1]}, and the "
                f"network was trained at 0 to {total - 1}; use {self._instead(steps)}"
            )
        if total - 1 - times[0] > total // steps + total // _SKIPPED:
            warnings.warn(
                f"num_inference_steps: {steps} steps of this schedule start at t={times[0]} of {total - 1} as if that were "
                f"pure noise; use {self._instead(steps)}",
                ConvergenceWarning,
                stacklevel=3,
            )
        return times

    def _instead(self, steps: int) -> str:
        """The nearest numbers of steps that start within one step of the noisiest timestep."""
        total = len(self.alphas_cumprod)
        good = [n for n in range(1, total + 1) if total - 1 - total // n <= self.spacing(n)[0] < total]
        nearest = [max((n for n in good if n < steps), default=None), min((n for n in good if n > steps), default=None)]
        return " or ".join(str(n) for n in nearest if n is not None) or "another number"

    def alpha(self, t: int | None) -> float:
        """The cumulative alpha of a timestep; None is the image."""
        return self.final_alpha_cumprod if t is None else float(self.alphas_cumprod[t])

    def step(self, t: int | None, s: int | None, eta: float = 0.0) -> tuple[float, float, float]:
        """``A, B, sigma`` of the DDIM step from timestep ``t`` to ``s`` (None: the image)."""
        signal, noise = self.signal_and_noise(t)
        to_image, to_noise, sigma = self._towards(t, s, eta)
        if self.prediction == "v_prediction":  # x_0 = signal x - noise f,  eps = noise x + signal f
            return to_image * signal + to_noise * noise, to_noise * signal - to_image * noise, sigma
        if self.prediction == "epsilon":  # x_0 = (x - noise f) / signal,  eps = f
            return to_image / signal, to_noise - to_image * noise / signal, sigma
        return to_noise / noise, to_image - to_noise * signal / noise, sigma  # x_0 = f

    def turn(self, t: int, s: int | None) -> float:
        """The cosine of the angle by which the step from ``t`` to ``s`` turns (x_0, eps)."""
        a_t, a_s = self.alpha(t), self.alpha(s)
        return (a_s * a_t) ** 0.5 + ((1 - a_s) * (1 - a_t)) ** 0.5

    def advance(
        self, x: torch.Tensor, output: torch.Tensor, t: int, s: int | None, eta: float = 0.0
    ) -> tuple[torch.Tensor, float]:
        """x_s of the step from ``t`` to ``s``, given the network's ``output`` for ``x``; and the sigma of the noise it lacks."""
        if self.limit is not None:
            return self._advance_limited(x, output, t, s, eta)
        a, b, sigma = self.step(t, s, eta)
        return torch.add(a * x, output, alpha=b), sigma

    def _advance_limited(
        self, x: torch.Tensor, output: torch.Tensor, t: int, s: int | None, eta: float
    ) -> tuple[torch.Tensor, float]:
        """`advance` with x_0 under `limit`.

        With x_0 limited and the noise recomputed from it, ``eta`` = 1 is the posterior mean of Ho et al. 2020
        (arXiv 2006.11239, equation 7), which DDPM and Karlo's own sampler take.
        """
        signal, noise = self.signal_and_noise(t)
        to_image, to_noise, sigma = self._towards(t, s, eta)
        x_0, eps = self.predicted(x, output, t)
        x_0 = self.limit(torch.where(x_0.isinf(), torch.nan, x_0))  # a limit must not hide an overflow
        eps = eps if self.keeps_noise else (x - signal * x_0) / noise
        return torch.add(to_image * x_0, eps, alpha=to_noise), sigma

    def predicted(self, x: torch.Tensor, output: torch.Tensor, t: int) -> tuple[torch.Tensor, torch.Tensor]:
        """x_0, not limited, and noise that the network's ``output`` for ``x`` at timestep ``t`` says."""
        signal, noise = self.signal_and_noise(t)
        if self.prediction == "v_prediction":
            return signal * x - noise * output, noise * x + signal * output
        if self.prediction == "epsilon":
            return (x - noise * output) / signal, output
        return output, (x - signal * output) / noise

    def signal_and_noise(self, t: int | None) -> tuple[float, float]:
        """The shares of x_0 and of noise in x_t; None is the image."""
        a_t = self.alpha(t)
        return a_t**0.5, (1 - a_t) ** 0.5

    def timestep_of_noise(self, ratio: float) -> int:
        """The first timestep whose noise is at least ``ratio`` of its signal."""
        alphas = self.alphas_cumprod.double()
        return int(torch.argmax((((1 - alphas) / alphas) ** 0.5 >= ratio).int()))

    def _towards(self, t: int | None, s: int | None, eta: float) -> tuple[float, float, float]:
        """How much of x_0, of the predicted noise and of fresh noise is in the step's result (Song et al. 2021, equation 12)."""
        a_t, a_s = self.alpha(t), self.alpha(s)
        sigma = eta * ((1 - a_s) / (1 - a_t) * max(0.0, 1 - a_t / a_s)) ** 0.5 if eta else 0.0
        return a_s**0.5, max(0.0, 1 - a_s - sigma**2) ** 0.5, sigma


def check_step_count(num_inference_steps: int, total: int) -> int:
    """The number of steps. Raises `InputError` unless it is an integer from 1 to ``total``."""
    if not isinstance(num_inference_steps, (int, np.integer)) or not 1 <= num_inference_steps <= total:
        raise InputError(f"num_inference_steps: expected an integer from 1 to {total}, got {num_inference_steps!r}")
    return int(num_inference_steps)


def clipping(most: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """x_0 clipped to [-most, most]."""
    return lambda x_0: x_0.clamp(-most, most)


def thresholding(ratio: float, most: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """Dynamic thresholding (Saharia et al. 2022, arXiv 2205.11487, section 2.3).

    s is the quantile ``ratio`` of a row's absolute values, within [1, ``most``]; x_0 is clipped to [-s, s] and divided by s.
    """

    def limit(x_0: torch.Tensor) -> torch.Tensor:
        s = x_0.flatten(1).abs().quantile(ratio, dim=1).clamp(1, most).view(-1, *[1] * (x_0.ndim - 1))
        return x_0.clamp(-s, s) / s

    return limit
