"""Locks on a store and on its shards, so that no two processes write the same file. They end with their process.

They are those of `filelock`: of the system, or, where a file system has none, the existence of the lock file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import ENOLCK, ENOTSUP, EOPNOTSUPP
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from clipspace.errors import InputError
from clipspace.files import make_folder

_NO_LOCKS = (ENOLCK, ENOTSUP, EOPNOTSUPP)
"""Error codes of file systems without locks; of ENOSYS, filelock itself falls back to the lock file's existence."""
_GLANCE = 1.0
"""Longest time in seconds that a run waits while another run looks at the lock of a store."""
_SHARES = "give each of several runs its share of one count (--shard i/n)"
_SOFT = ".held"
"""Ending of a lock file whose existence is the lock."""


@contextmanager
def alone(path: Path, *, wait: float = 0, what: str = "store", cure: str = _SHARES) -> Iterator[None]:
    """Hold the lock file ``path``, which is removed again.

    Raises `InputError` while another holds it, after ``wait`` seconds; it names ``what`` and how two can work side by side.
    """
    try:
        lock = _acquired(path, wait)
    except Timeout as held:
        raise InputError(
            f"{what}: another process is writing into {str(path.parent)!r}; wait for it, or {cure}; where none is running, "
            f"delete {held.lock_file!r}"
        ) from None
    try:
        yield
    finally:
        _release(lock)


def writing(path: Path) -> Path:
    """Lock file of a store, held by the one that adds rows."""
    return path / ".writing"


@contextmanager
def writing_alone(path: Path) -> Iterator[None]:
    """The lock of a store as its only writer, beside no share of an encoding; the folder is made where there is none."""
    if path.exists() and not path.is_dir():
        raise InputError(f"store: expected a folder, got the file {str(path)!r}; choose another")
    make_folder(path)
    with alone(writing(path)):
        for share in sorted(path.glob(".encoding-*")):
            with alone(share.with_name(share.name.removesuffix(_SOFT))):
                pass
        yield


@contextmanager
def encoding_share(path: Path, share: str) -> Iterator[None]:
    """The lock of one share of an encoding into a store: beside other shares, but not beside one that adds rows."""
    with alone(path / f".encoding-{share}"):
        with alone(writing(path), wait=_GLANCE):
            pass
        yield


def _acquired(path: Path, wait: float) -> BaseFileLock:
    options = {"timeout": wait, "thread_local": False}
    lock: BaseFileLock = FileLock(path, **options)
    try:
        lock.acquire()
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        path.unlink(missing_ok=True)
        lock = SoftFileLock(f"{path}{_SOFT}", **options)
        lock.acquire()
    return lock


def _release(lock: BaseFileLock) -> None:
    """Let go, and remove the file. One whose existence is the lock says who holds it, and goes with it; a system's is empty."""
    file = Path(lock.lock_file)
    with suppress(OSError):  # Windows removes it after the release
        if not file.stat().st_size:
            file.unlink()  # while it is held: whoever waits for it looks whether it is still there
    lock.release()
