"""Files, local or behind any URL that fsspec knows: reading one, and finding all in a folder."""

from __future__ import annotations

import codecs
import io
import json
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from clipspace.errors import InputError
from clipspace.sources.rows import MAX_BYTES, RowError


@dataclass(frozen=True)
class Found:
    """A file of a folder: where it is, its name below the folder, and why it cannot be read where that is known."""

    path: str
    name: str
    problem: str | None = None


def is_url(path: str) -> bool:
    """Whether a path is a URL of fsspec; not an existing local path, such as a folder ``run::1``."""
    return re.match(r"[a-z][a-z0-9+.-]+(::|://)", path) is not None and not os.path.exists(path)


def named_apart(paths: Sequence[str]) -> list[Found]:
    """Files by their paths below the folder that they have in common: by their bare names where that is one folder."""
    steps = [(path if is_url(path) else Path(path).as_posix()).split("/") for path in paths]
    common = len(os.path.commonprefix([step[:-1] for step in steps]))
    return [Found(path, "/".join(step[common:])) for path, step in zip(paths, steps, strict=True)]


def reason_of(error: Exception, otherwise: str) -> str:
    """Why a file broke off: "unreadable" where reading failed, which another run may find mended, else ``otherwise``."""
    if isinstance(error, RowError):
        return error.reason
    return "unreadable" if isinstance(error, OSError) and error.errno is not None else otherwise


def open_file(path: str) -> BinaryIO:
    """A seekable binary file. Raises `RowError` when it cannot be opened, or is no regular file."""
    try:
        if is_url(path):
            import fsspec

            return fsspec.open(path, "rb").open()
        # a named pipe would block in open() without O_NONBLOCK; for regular files the flag means nothing
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise RowError("unreadable", "expected a file, got a folder, pipe or device")
        return os.fdopen(handle, "rb")
    except (RowError, MemoryError):
        raise
    except Exception as error:  # a remote file system raises its own types
        raise RowError("unreadable", f"could not be opened ({error!r})") from None


def read_file(path: str, *, max_bytes: int = MAX_BYTES) -> bytes:
    """The content of a file. Raises `RowError` when it cannot be read or has more than ``max_bytes``."""
    with open_file(path) as file:
        try:
            data = file.read(max_bytes + 1)
        except MemoryError:
            raise
        except Exception as error:
            raise RowError("unreadable", f"could not be read ({error!r})") from None
    if len(data) > max_bytes:
        raise RowError("too large", f"expected at most {max_bytes:,} bytes")
    return data


def size_of(path: str) -> int | None:
    """Bytes of a local file; None behind a URL, where asking costs a request, or when it is not there."""
    try:
        return None if is_url(path) else os.path.getsize(path)
    except OSError:
        return None


def open_text(path: str) -> io.TextIOWrapper:
    """A text in UTF-8, or in UTF-16 where it begins with a byte order mark, as Windows PowerShell writes it."""
    file = open_file(path)
    wide = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    file.seek(0)
    return io.TextIOWrapper(file, encoding="utf-16" if wide else "utf-8-sig", errors="surrogateescape")


def is_folder(path: str) -> bool:
    """Whether a path or URL names a folder."""
    if not is_url(path):
        return os.path.isdir(path)
    import fsspec

    try:
        fs, inner = fsspec.url_to_fs(path)
        return fs.isdir(inner)
    except Exception as error:  # also a protocol that is not known, or whose package is not installed
        raise InputError(f"encode: {path!r} could not be reached ({error!r}); check the address") from None


def beside(path: str, name: str) -> str:
    """``name`` as seen from the folder of the file ``path``; absolute names and URLs are left as they are."""
    folder = path.rpartition("/")[0] if is_url(path) else os.path.dirname(path)
    joined = f"{folder}/{name}" if folder else name
    return name if os.path.isabs(name) or (is_url(name) and not os.path.exists(joined)) else joined


def find_files(folder: str) -> list[Found]:
    """Every file below ``folder``, by name. Links are followed; each real folder is visited once, a store never.

    A link to a folder that was visited, and a folder that cannot be listed, are found with their problem.
    """
    files = _find_remote(folder) if is_url(folder) else _find_local(Path(folder))
    return sorted(files, key=lambda file: file.name)


def _find_remote(folder: str) -> Iterator[Found]:
    import fsspec

    fs, inner = fsspec.url_to_fs(folder)
    for path in fs.find(inner):
        yield Found(fs.unstrip_protocol(path), path[len(inner.rstrip("/")) + 1 :])


def _find_local(root: Path) -> Iterator[Found]:
    visited, waiting = {os.path.realpath(root)}, [(str(root), "")]
    while waiting:
        folder, prefix = waiting.pop(0)
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            yield Found(folder, prefix.rstrip("/") or ".", f"the folder cannot be listed ({error.strerror})")
            continue
        for entry in entries:
            name = prefix + entry.name
            if not _is_dir(entry):
                yield Found(entry.path, name)
            elif (real := os.path.realpath(entry.path)) in visited:
                yield Found(entry.path, name, "a link to a folder that is read already (a loop, or a second way to it)")
            elif not _is_store(entry.path):
                visited.add(real)
                waiting.append((entry.path, name + "/"))


def _is_dir(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_store(folder: str) -> bool:
    """Whether a folder is a store of clipspace, finished or not: written beside the images, it is none of them."""
    try:
        header = json.loads(Path(folder, "store.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(header, dict) and str(header.get("format")).startswith("clipspace-store/")
