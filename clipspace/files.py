"""Writing files whole or not at all, also where the power is cut: what was put in its place is on the disk."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES, EBADF, EINVAL, EISDIR, ENOTSUP, EPERM
from pathlib import Path

from safetensors import SafetensorError

from clipspace.errors import InputError

_CANNOT_SYNC = (EINVAL, ENOTSUP)
"""Error codes of file systems that cannot sync: nothing more can be done there than to write."""
_CANNOT_SYNC_FOLDER = (*_CANNOT_SYNC, EACCES, EPERM, EBADF, EISDIR)
"""Those of folders that cannot be opened or synced, on file systems that keep names by themselves, or may not be read."""


def check_writable(path: str | Path, *, overwrite: bool = False) -> Path:
    """``path`` if a file can be written there, else `InputError`. Ask before work starts."""
    path = Path(path)
    if path.is_dir():
        raise InputError(f"save: expected a file name, got the folder {str(path)!r}; add a name")
    if path.exists() and not overwrite:
        raise InputError(f"save: {str(path)!r} exists; choose another name, or pass overwrite (--overwrite)")
    check_parent(path)
    return path


def check_parent(path: Path) -> None:
    """Raise `InputError` unless the folder that ``path`` is to be in is there and can be written."""
    if not path.parent.is_dir():
        raise InputError(f"save: expected an existing folder, got {str(path.parent)!r}; make it first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"save: the folder {str(path.parent)!r} cannot be written; choose another")


@contextmanager
def atomically(path: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A temporary file beside ``path`` that takes its place when the block ends well, and vanishes when not."""
    path = check_writable(path, overwrite=overwrite)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        umask = os.umask(0)
        os.umask(umask)
        part.chmod(0o666 & ~umask)
        put(part, path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"save: could not write {str(path)!r}: {error}") from error
    finally:
        part.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Return once a file's content, or the names in a folder, are on the disk: until then a power cut can lose them."""
    is_folder = path.is_dir()
    if is_folder and os.name == "nt":  # which has no such call, and writes names through
        return
    try:
        handle = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in (_CANNOT_SYNC_FOLDER if is_folder else _CANNOT_SYNC):
            raise


def put(part: Path, path: Path) -> None:
    """Move a file that is written to its place, on the disk: whenever the power is cut, the old one or the new is there, whole."""
    sync(part)
    os.replace(part, path)
    sync(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder and those above it, on the disk, where they are not there."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync(path.parent)


def remove(path: Path) -> None:
    """Remove a file, on the disk, if it is there."""
    if path.exists():
        path.unlink(missing_ok=True)
        sync(path.parent)
