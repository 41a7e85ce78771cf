"""The schedule of flow matching: a straight line from image to noise, walked by Euler's method.

At timestep t of T the noise is sigma = t / T: x_t = (1 - sigma) x_0 + sigma eps, and the network answers with the velocity
eps - x_0 (Lipman et al. 2023, arXiv 2210.02747; Liu et al. 2023, arXiv 2209.03003). Euler's step is `sampling`'s line with A = 1
and B = sigma_s - sigma_t, so that sampling and inversion are those of a `Schedule`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from clipspace.diffusion.schedule import check_step_count
from clipspace.errors import InputError


@dataclass(frozen=True, eq=False)
class FlowSchedule:
    """A straight path of ``total`` timesteps, which need not be integers, and those that ``n`` steps visit.

    Parameters
    ----------
    total : the timestep that is pure noise
    spacing : the timesteps of ``n`` steps, from noise to image, ``total`` at most and above 0
    """

    total: int
    spacing: Callable[[int], Sequence[float]]
    limit: ClassVar[None] = None
    prediction: ClassVar[str] = "flow"

    def without_limit(self) -> FlowSchedule:
        """Itself: no step limits x_0."""
        return self

    def steps(self, num_inference_steps: int) -> list[tuple[float, float | None]]:
        """Every step from noise to image: its timestep and the next, which is None for the image."""
        times = self.timesteps(num_inference_steps)
        return list(zip(times, [*times[1:], None], strict=True))

    def timesteps(self, num_inference_steps: int) -> list[float]:
        """Timesteps from noise to image. Raises `InputError` unless there are 1 to ``total`` of them."""
        return [float(t) for t in self.spacing(check_step_count(num_inference_steps, self.total))]

    def signal_and_noise(self, t: float | None) -> tuple[float, float]:
        """The shares of x_0 and of noise in x_t; None is the image."""
        sigma = 0.0 if t is None else t / self.total
        return 1 - sigma, sigma

    def timestep_of_noise(self, ratio: float) -> float:
        """The timestep whose noise is ``ratio`` of its signal."""
        return self.total * ratio / (1 + ratio)

    def step(self, t: float | None, s: float | None, eta: float = 0.0) -> tuple[float, float, float]:
        """``A, B, sigma`` of Euler's step from timestep ``t`` to ``s`` (None: the image)."""
        if eta:
            raise InputError(f"decode: expected eta=0 for a flow, whose steps draw no noise, got {eta}; leave it out")
        return 1.0, self.signal_and_noise(s)[1] - self.signal_and_noise(t)[1], 0.0

    def turn(self, t: float, s: float | None) -> float:
        """The divisor with which inversion iterates: A, for a velocity."""
        return 1.0

    def advance(
        self, x: torch.Tensor, output: torch.Tensor, t: float, s: float | None, eta: float = 0.0
    ) -> tuple[torch.Tensor, float]:
        """x_s of the step from ``t`` to ``s``, given the network's ``output`` for ``x``; and 0, for it draws no noise."""
        _, b, sigma = self.step(t, s, eta)
        return torch.add(x, output, alpha=b), sigma

    def predicted(self, x: torch.Tensor, output: torch.Tensor, t: float) -> tuple[torch.Tensor, torch.Tensor]:
        """x_0 and noise that the network's ``output`` for ``x`` at timestep ``t`` says."""
        signal, noise = self.signal_and_noise(t)
        return x - noise * output, x + signal * output
