"""Work in batches: how many, which rows, and what to lower when memory runs out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

from tqdm import tqdm

from clipspace.errors import InputError
from clipspace.models import memory


def within_memory(doing: str, batch_size: int) -> AbstractContextManager[None]:
    """Says what to lower where memory runs out."""
    return memory.within_memory(
        f"{doing}: out of memory with batch_size={batch_size}; lower batch_size, load with dtype='bfloat16', or offload=True"
    )


def batch_count(n: int, batch_size: int) -> int:
    """Batches of ``batch_size`` that hold ``n`` rows."""
    if batch_size < 1:
        raise InputError(f"batch_size: expected at least 1, got {batch_size}")
    return -(-n // batch_size)


def batch_slices(n: int, batch_size: int, doing: str | None = None) -> Iterator[slice]:
    """Slices of at most ``batch_size`` rows, with a progress bar when ``doing`` names the work."""
    starts = range(0, batch_count(n, batch_size) * batch_size, batch_size)
    quiet = doing is None or len(starts) < 2
    for start in starts if quiet else tqdm(starts, desc=doing, disable=None, leave=False):
        yield slice(start, start + batch_size)
