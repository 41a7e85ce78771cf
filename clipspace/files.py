"""Writing files whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from clipspace.errors import InputError


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
        os.replace(part, path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"save: could not write {str(path)!r}: {error}") from error
    finally:
        part.unlink(missing_ok=True)
