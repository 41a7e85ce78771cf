"""Telling that memory ran out from other errors."""

from __future__ import annotations

import torch


def ran_out(error: BaseException) -> bool:
    """Whether an error means that memory ran out."""
    return isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)) or "can't allocate memory" in str(error)
