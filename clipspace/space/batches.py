"""Work in batches: how many, which rows, and what to lower when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial

from clipspace import progress
from clipspace.errors import InputError
from clipspace.models import memory


def within_memory(doing: str, batch_size: int) -> AbstractContextManager[None]:
    """Says what to lower where memory runs out."""
    return memory.within_memory(
        f"{doing}: out of memory with batch_size={batch_size}; lower batch_size, load with dtype='bfloat16', or offload=True"
    )


def batch_slices(n: int, batch_size: int, doing: str, unit: str) -> Iterator[slice]:
    """Slices of at most ``batch_size`` rows; ``doing`` and ``unit`` are said of them (`progress.task`)."""
    for rows, _ in batch_steps(n, batch_size, doing, unit, steps=1):
        yield rows


def batch_steps(
    n: int, batch_size: int, doing: str, unit: str, *, steps: int
) -> Iterator[tuple[slice, Callable[[], None]]]:
    """As `batch_slices`, each slice with what is to be called after each of its ``steps``."""
    if batch_size < 1:
        raise InputError(f"batch_size: expected at least 1, got {batch_size}")
    with progress.task(doing, n, unit) as count:
        for start in range(0, n, batch_size):
            end = min(start + batch_size, n)
            yield slice(start, start + batch_size), partial(count, (end - start) / steps)
            count.at(end)
