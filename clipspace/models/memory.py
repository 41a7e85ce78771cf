"""Memory that ran out: how it is told from other errors, and said in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from clipspace.errors import OutOfMemoryError


def ran_out(error: BaseException) -> bool:
    """Whether an error means that memory ran out."""
    return isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)) or "can't allocate memory" in str(error)


@contextmanager
def within_memory(message: str) -> Iterator[None]:
    """Raise `OutOfMemoryError` with ``message``, which says what to do, where memory runs out."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not ran_out(error):
            raise
        raise OutOfMemoryError(message) from error
