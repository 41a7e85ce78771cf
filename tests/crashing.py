"""A disk that fails at one operation, or loses its power there: below a folder, of this process, one point after the other.

Operations are those of Python that change files: opening one to write, each write of its buffer, syncing a file or a folder,
renaming, linking, removing, making and removing a folder; lock files do not count. A failed write leaves half of its bytes. A
power cut leaves the content that was synced, and of what was not synced nothing or zeros; and of the names that were not synced
all, none, or those of one folder.
"""

from __future__ import annotations

import builtins
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EIO, ENOSPC
from pathlib import Path

import pytest

Tree = dict[str, bytes | None]
"""Content of the files below a folder by their path; None for a folder."""
_LOCKS = (".writing", ".encoding-", ".shard-")


def tree(root: Path) -> Tree:
    paths = [path for path in sorted(root.rglob("*")) if not path.name.startswith(_LOCKS)]
    return {str(path.relative_to(root)): None if path.is_dir() else path.read_bytes() for path in paths}


def visible(root: Path) -> Tree:
    """`tree` without hidden files: what a stopped run left aside is none of a reader's business."""
    is_seen = {name: not any(part.startswith(".") for part in Path(name).parts) for name in tree(root)}
    return {name: content for name, content in tree(root).items() if is_seen[name]}


def put_back(root: Path, content: Tree) -> None:
    shutil.rmtree(root)
    root.mkdir()
    for name, data in content.items():
        if data is None:
            (root / name).mkdir(parents=True, exist_ok=True)
        else:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data)


class Disk:
    """Operations below ``root``, numbered from 1; number ``fails_at`` fails, with no room or an error of the device."""

    def __init__(self, root: Path, fails_at: int = 0, on_point: Callable[[], None] = lambda: None) -> None:
        self.root, self.fails_at, self.on_point, self.points = str(root), fails_at, on_point, 0

    def owns(self, path) -> bool:
        path = os.fspath(path) if isinstance(path, (str, os.PathLike)) else ""
        inside = isinstance(path, str) and os.path.abspath(path).startswith(self.root + os.sep)
        return inside and not os.path.basename(path).startswith(_LOCKS)

    def point(self) -> None:
        self.on_point()
        self.points += 1
        if self.points == self.fails_at:
            code = (ENOSPC, EIO)[self.points % 2]
            raise OSError(code, os.strerror(code))


class _Raw(io.FileIO):
    """A file each of whose writes is an operation."""

    disk: Disk

    def write(self, data) -> int:
        try:
            self.disk.point()
        except OSError:
            super().write(bytes(data)[: len(bytes(data)) // 2])
            raise
        return super().write(data)


@contextmanager
def watched(disk: Disk) -> Iterator[None]:
    """Within the block operations below the disk's folder go through it."""
    real_open, real = io.open, {name: getattr(os, name) for name in ("fsync", "open")}

    def opened(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, *rest, **more):
        if not disk.owns(file) or not set(mode) & set("wxa+"):
            return real_open(file, mode, buffering, encoding, errors, newline, *rest, **more)
        disk.point()
        raw = _Raw(file, mode.replace("b", "").replace("t", "").replace("+", "") + "+")
        raw.disk = disk
        buffered = io.BufferedRandom(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)

    def opened_low(path, flags, *rest, **more):
        if flags & os.O_CREAT and disk.owns(path):
            disk.point()
        return real["open"](path, flags, *rest, **more)

    def synced(handle):
        if disk.owns(os.readlink(f"/proc/self/fd/{handle}")) or os.readlink(f"/proc/self/fd/{handle}") == disk.root:
            disk.point()
        return real["fsync"](handle)

    def counted(change):
        def operation(path, *rest, **more):
            if disk.owns(path):
                disk.point()
            return change(path, *rest, **more)

        return operation

    with pytest.MonkeyPatch.context() as patched:
        for module in (io, builtins):
            patched.setattr(module, "open", opened)
        for name in ("replace", "rename", "unlink", "remove", "link", "mkdir", "rmdir"):
            patched.setattr(os, name, counted(getattr(os, name)))
        patched.setattr(os, "open", opened_low)
        patched.setattr(os, "fsync", synced)
        patched.setattr(shutil, "_use_fd_functions", False)
        patched.setattr(shutil, "_USE_CP_SENDFILE", False, raising=False)
        yield


class Power:
    """What of a folder is on the disk, so that it survives a cut of the power; all that is there at the beginning."""

    def __init__(self, root: Path) -> None:
        self.root, self.states = root, {}
        self.contents = {path.stat().st_ino: path.read_bytes() for path in root.rglob("*") if path.is_file()}
        self.names = self._live()

    def _live(self) -> dict[int, dict[str, int]]:
        """The names in each folder, which is told by its number, as it may be renamed; so are files."""
        folders = [self.root, *(path for path in self.root.rglob("*") if path.is_dir())]
        return {folder.stat().st_ino: self._names(folder) for folder in folders}

    def _names(self, folder: Path) -> dict[str, int]:
        return {path.name: path.stat().st_ino for path in folder.iterdir() if not path.name.startswith(_LOCKS)}

    def synced(self, path: Path) -> None:
        if path.is_dir():
            self.names[path.stat().st_ino] = self._names(path)
        else:
            self.contents[path.stat().st_ino] = path.read_bytes()

    def cut(self) -> None:
        """Add every state that a cut at this point may leave, those left before aside."""
        live = self._live()
        held = {path.stat().st_ino: path.read_bytes() for path in self.root.rglob("*") if path.is_file()}
        changed = [folder for folder in live if live[folder] != self.names.get(folder)]
        for kept in ({}, *({folder} for folder in changed), set(changed)):
            names = {**self.names, **{folder: live[folder] for folder in kept}}
            for lost in (lambda size: b"", bytes):
                state: Tree = {}
                self._fill(state, self.root.stat().st_ino, "", names, held, lost)
                self.states.setdefault(tuple(sorted(state.items(), key=lambda item: item[0])), state)

    def _fill(self, state: Tree, folder: int, above: str, names, held, lost) -> None:
        for name, number in names.get(folder, {}).items():
            if number in held or number in self.contents:
                there, safe = held.get(number), self.contents.get(number)
                state[above + name] = safe if safe is not None and there in (safe, None) else lost(len(there or b""))
            else:
                state[above + name] = None
                self._fill(state, number, f"{above}{name}/", names, held, lost)


def fail_everywhere(root: Path, act: Callable[[], object], judge: Callable[[], None]) -> int:
    """Run ``act`` with each of its operations failing once, from the same beginning; ``judge`` what is there after each.

    The number of operations, none of which fails in the last run.
    """
    before, fails_at = tree(root), 0
    while True:
        fails_at += 1
        put_back(root, before)
        disk = Disk(root, fails_at)
        try:
            with watched(disk):
                act()
        except (OSError, ValueError):  # of the system, or ours that tells of it
            judge()
            continue
        judge()
        if disk.points < fails_at:
            return fails_at - 1


def cut_everywhere(root: Path, act: Callable[[], object]) -> tuple[list[Tree], list[Tree]]:
    """The states that a cut of the power in ``act``, and that one after it, may leave ``root`` in."""
    power = Power(root)
    disk = Disk(root, on_point=power.cut)
    with watched(disk), pytest.MonkeyPatch.context() as patched:
        sync = os.fsync

        def synced(handle):
            sync(handle)
            path = Path(os.readlink(f"/proc/self/fd/{handle}"))
            if disk.owns(path) or path == root:
                power.synced(path)

        patched.setattr(os, "fsync", synced)
        act()
    during, power.states = list(power.states.values()), {}
    power.cut()
    return during, list(power.states.values())
