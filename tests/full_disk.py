"""A stand-in for a full disk."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def full_disk(size: int = 600) -> Iterator[None]:
    """While it lasts, no file of this process grows above ``size`` bytes: the write fails as it does on a full disk."""
    if sys.platform == "win32":
        pytest.skip("Windows does not limit the size of files")
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
