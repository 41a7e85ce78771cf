"""Locks on a store and on its shards, so that no two processes write the same file. They end with their process."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from clipspace.errors import InputError


@contextmanager
def alone(path: Path, *, shared: bool = False) -> Iterator[bool]:
    """Hold the lock file ``path``, which is removed again; whether it is held: not every file system has locks.

    Raises `InputError` while another holds it; ``shared`` lets in all others that ask for it shared.
    """
    try:
        import fcntl
    except ImportError:  # not on this system
        yield False
        return
    how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    file = path.open("ab")
    try:
        held = _lock(file, how, path)
        while held and not _is_at(file, path):  # the one before removed it between our opening and locking it
            file.close()
            file = path.open("ab")
            held = _lock(file, how, path)
        try:
            yield held
        finally:
            if not held or (_last(file) and _is_at(file, path)):
                path.unlink(missing_ok=True)
    finally:
        file.close()


def writing(path: Path) -> Path:
    """Lock file of a store: shared by runs that encode shares of it, else held by the one that adds rows."""
    return path / ".writing"


@contextmanager
def writing_alone(path: Path) -> Iterator[bool]:
    """The lock of a store as its only writer; the folder is made where there is none."""
    if path.exists() and not path.is_dir():
        raise InputError(f"store: expected a folder, got the file {str(path)!r}; choose another")
    path.mkdir(parents=True, exist_ok=True)
    with alone(writing(path)) as held:
        yield held


def _lock(file: BinaryIO, how: int, path: Path) -> bool:
    import fcntl

    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(
            f"store: another process is writing into {str(path.parent)!r}; wait for it, "
            "or give each of several runs its share of one count (--shard i/n)"
        ) from None
    except OSError as error:
        warnings.warn(
            f"{str(path.parent)!r} cannot be locked ({error.strerror}); see to it that no other process writes there",
            stacklevel=2,
        )
        return False
    return True


def _last(file: BinaryIO) -> bool:
    """Whether nobody else holds the lock, which is then held alone."""
    import fcntl

    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _is_at(file: BinaryIO, path: Path) -> bool:
    with suppress(OSError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False
