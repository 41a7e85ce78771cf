"""What a sampler needs from a network: its output for x_t at timestep t, conditioned, with or without guidance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch


class Network(Protocol):
    """A network and its conditions. All decoders and priors that work by diffusion are such networks.

    A condition is a tensor of ``n`` rows, or a named tuple of such tensors.
    """

    def condition(self, z: Any) -> Any: ...

    def null_condition(self, n: int) -> Any: ...

    def predict(self, x_t: torch.Tensor, t: int, cond: Any) -> torch.Tensor: ...


class Denoiser(Protocol):
    """The network's output f(x_t, t) for a batch whose condition is fixed; ``denoiser[rows]`` is that of some of its rows."""

    def __call__(self, x_t: torch.Tensor, t: int) -> torch.Tensor: ...

    def __getitem__(self, rows: torch.Tensor) -> Denoiser: ...


@dataclass(frozen=True, eq=False)
class Conditioned:
    """f(x_t, t, cond): a network and its condition."""

    predict: Callable[[torch.Tensor, int, Any], torch.Tensor]
    cond: Any

    def __call__(self, x_t: torch.Tensor, t: int) -> torch.Tensor:
        return self.predict(x_t, t, self.cond)

    def __getitem__(self, rows: torch.Tensor) -> Conditioned:
        return Conditioned(self.predict, _rows(self.cond, rows))


@dataclass(frozen=True, eq=False)
class Guided:
    """Classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598): f(null) + scale (f(cond) - f(null)).

    One call is one pass of the network on twice the rows.
    """

    conditioned: Conditioned
    null: Any
    scale: float

    def __call__(self, x_t: torch.Tensor, t: int) -> torch.Tensor:
        both = _joined(self.null, self.conditioned.cond)
        f_null, f_cond = self.conditioned.predict(torch.cat([x_t, x_t]), t, both).chunk(2)
        return torch.lerp(f_null, f_cond, self.scale)

    def __getitem__(self, rows: torch.Tensor) -> Guided:
        return Guided(self.conditioned[rows], _rows(self.null, rows), self.scale)


@torch.inference_mode()
def denoiser_of(network: Network, z: Any, guidance_scale: float = 1.0) -> Denoiser:
    """The network told ``z``: embeddings ``(n, d)``, or whatever else it is conditioned on. A scale of 1 is no guidance."""
    conditioned = Conditioned(network.predict, network.condition(z))
    if guidance_scale == 1.0:
        return conditioned
    return Guided(conditioned, network.null_condition(len(z)), guidance_scale)


def _rows(cond: Any, rows: torch.Tensor) -> Any:
    """Some rows of a condition."""
    if isinstance(cond, torch.Tensor):
        return cond[rows]
    return type(cond)(*(part[rows] for part in cond))


def _joined(first: Any, second: Any) -> Any:
    """The rows of one condition, then those of another."""
    if isinstance(first, torch.Tensor):
        return torch.cat([first, second])
    return type(first)(*(torch.cat(parts) for parts in zip(first, second, strict=True)))
