"""What an image encoder holds before its last linear map, the features of the CLIP paper's linear probe."""

from __future__ import annotations

import copy

import torch


def before_projection(visual: torch.nn.Module) -> torch.nn.Module | None:
    """The image tower of an open_clip model without its projection, sharing its weights; None where it has none apart.

    Vision transformers lose ``proj``, ModifiedResNets the map at the end of their attention pooling, timm towers
    the ``proj`` of their head. The tower itself is not changed.
    """
    pool, head = getattr(visual, "attnpool", None), getattr(visual, "head", None)
    if isinstance(getattr(visual, "proj", None), torch.nn.Parameter):
        return _replaced(visual, proj=None)
    if pool is not None and hasattr(pool, "c_proj"):
        same = torch.nn.Linear(pool.c_proj.in_features, pool.c_proj.in_features).to(pool.c_proj.weight)
        torch.nn.init.eye_(same.weight)
        torch.nn.init.zeros_(same.bias)
        return _replaced(visual, attnpool=_replaced(pool, c_proj=same))
    if head is not None and hasattr(head, "proj"):
        return _replaced(visual, head=_replaced(head, proj=torch.nn.Identity()))
    return None


def _replaced(module: torch.nn.Module, **parts) -> torch.nn.Module:
    """A shallow copy with some parts replaced."""
    replaced = copy.copy(module)
    replaced._parameters, replaced._modules = dict(module._parameters), dict(module._modules)
    for name, part in parts.items():
        setattr(replaced, name, part)
    return replaced
