"""Weights beside the network that is to take them."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from clipspace.errors import shortened


def misfit(wanted: Mapping[str, torch.Size], weights: Mapping[str, torch.Tensor]) -> str | None:
    """How weights differ from the names and shapes that a network wants; None where they fit."""
    missing, unexpected = sorted(wanted.keys() - weights.keys()), sorted(weights.keys() - wanted.keys())
    shapes = sorted(key for key in wanted.keys() & weights.keys() if wanted[key] != weights[key].shape)
    if not (missing or unexpected or shapes):
        return None
    return f"missing {shortened(missing)}, unexpected {shortened(unexpected)}, of another shape {shortened(shapes)}"
