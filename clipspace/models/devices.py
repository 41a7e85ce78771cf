"""Devices by name: refused in a sentence where torch does not know one, or this machine does not have it."""

from __future__ import annotations

import torch

from clipspace.errors import InputError


def usual_device(name: str | None) -> torch.device:
    """The device ``name``; a GPU when there is one, else the CPU, for None."""
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))


def check_device(name: str | None) -> None:
    """Raise `InputError` unless this machine computes on the device ``name``; None is any."""
    if name is None:
        return
    try:
        torch.empty(1, device=name).add(1)
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # torch raises each of these
        has = [
            "cpu",
            *(["cuda"] if torch.cuda.is_available() else []),
            *(["mps"] if torch.backends.mps.is_available() else []),
        ]
        line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"device: expected one of {has}, which this machine has, got {name!r} ({line})") from error
