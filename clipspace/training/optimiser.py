"""Muon for hidden weights and AdamW for the rest, and the learning rate of each step."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from clipspace.errors import CapabilityError, PrecisionError

if TYPE_CHECKING:
    from pytorch_optimizer import Muon

ADAMW_SHARE = 0.3
"""Learning rate of what Muon does not train, as a share of Muon's."""
WARMUP = 200
"""Steps over which the rate rises from zero."""


def check_extra() -> None:
    """Raise `CapabilityError` where the optimiser is not installed."""
    try:
        import pytorch_optimizer  # noqa: F401
    except ImportError as error:
        raise CapabilityError(
            f"train: expected the package pytorch-optimizer, got: {error}; pip install 'clipspace[train]'"
        ) from None


def muon(network: torch.nn.Module, lr: float) -> Muon:
    """Muon (Jordan et al. 2024) for the hidden matrices and kernels; AdamW for norms, biases, the first and last layer.

    ``lr`` is Muon's. It needed 0.7 to 0.8 of AdamW's steps for the same loss of the mini decoder.
    """
    from pytorch_optimizer import Muon

    hidden, others = [], []
    for name, weight in network.named_parameters():
        inside = weight.ndim >= 2 and not name.startswith(("conv_in", "conv_out"))
        (hidden if inside else others).append(weight)
    return Muon(
        [
            {"params": hidden, "lr": lr, "weight_decay": 0.01, "use_muon": True, "use_adjusted_lr": True},
            {"params": others, "lr": lr * ADAMW_SHARE, "betas": (0.9, 0.99), "use_muon": False},
        ]
    )


class Plan(NamedTuple):
    """Number of steps of a run, and the step from which its learning rate falls."""

    steps: int
    decay_from: int


def planned(steps: int, decay: float) -> Plan:
    """The plan of a run of ``steps`` whose rate falls over the share ``decay`` of them."""
    return Plan(steps, round(steps * (1 - decay)))


def decaying_from(step: int, decay: float) -> Plan:
    """The plan of a run whose rate falls from ``step`` on: that of `planned` for the number of steps that it gets.

    >>> all(planned(decaying_from(step, 0.35).steps, 0.35) == decaying_from(step, 0.35) for step in range(2, 5000))
    True
    """
    return Plan(round(step / (1 - decay)), step)


def rate(step: int, plan: Plan | None) -> float:
    """Share of the full learning rate at a step: a linear warm-up, a plateau, and a linear fall. None never falls."""
    risen = min(1.0, (step + 1) / WARMUP)
    if plan is None or step < plan.decay_from:
        return risen
    return min(risen, max(0.01, (plan.steps - step) / (plan.steps - plan.decay_from)))


def descend(
    loss: torch.Tensor, network: torch.nn.Module, optimizer: torch.optim.Optimizer, rates: list[float], share: float
) -> None:
    """One step down the gradient of ``loss``, clipped to norm 1, at the ``share`` of the groups' full ``rates``.

    Raises `PrecisionError` for a loss that is not finite, before anything is changed.
    """
    if not loss.isfinite():
        raise PrecisionError(
            f"train: expected a finite loss, got {loss.item()}; go on from the last checkpoint with a lower rate or a larger "
            "batch, in another folder"
        )
    for group, full in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = full * share
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()
