"""What a space costs on this machine: seconds and memory."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import torch

from clipspace.probes.checkup.line import Line, judged

if TYPE_CHECKING:
    from clipspace.space import Space

_SLOW = 60.0
"""Seconds for one drawn image from which drawing a set takes hours."""
_FULL = 0.9


def seconds(encoding: float, drawing: float | None) -> Line:
    """Seconds of one image; slow drawing is a doubt, for a set of images then takes hours."""
    drawn = "" if drawing is None else f", {drawing:.3g} s to draw"
    return judged(
        "seconds",
        drawing or 0.0,
        doubt=(drawing or 0.0) > _SLOW,
        fail=False,
        expected="no limit" if drawing is None else f"less than {_SLOW:g} s to draw an image",
        got=f"{encoding:.3g} s to encode an image{drawn}",
        do="use a GPU (--device cuda), --dtype bfloat16 there, fewer --steps or a smaller decoder",
    )


def memory(space: Space) -> Line:
    """Peak memory since the process began, of the device that computes; above nine tenths of what there is, it is a doubt."""
    most = _peak(space.device)
    there = _available(space.device)
    if most is None or there is None:
        return Line("memory", "pass", "not known of this system", "not known of this system")
    return judged(
        "memory",
        most,
        doubt=most > _FULL * there,
        fail=False,
        expected=f"less than {_FULL:.0%} of the {there / 1e9:.1f} GB of {space.device.type}",
        got=f"{most / 1e9:.2f} GB at most",
        do="load with --dtype bfloat16, --prior none or --offload, and lower batch_size",
    )


def _peak(device: torch.device) -> int | None:
    """Bytes."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if device.type != "cpu" or sys.platform == "win32":
        return None
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _available(device: torch.device) -> int | None:
    """Bytes."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    if device.type != "cpu" or sys.platform == "win32":
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
