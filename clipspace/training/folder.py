"""The folder of a run: whose run it is, and whether the disk has room for it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clipspace.errors import InputError
from clipspace.plain import to_plain
from clipspace.points.store.layout import read_json, write_json
from clipspace.points.store.locking import alone

RUN = "run"
"""Name of the folder, inside that of the decoder, of what training alone needs: it can be deleted once training has ended."""
_RUN_FILE = "run.json"


def check_run(folder: Path, described: Mapping[str, Any]) -> None:
    """Raise `InputError` unless ``folder`` is new, empty, or holds the run that is ``described``."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"train: expected a folder, got the file {str(folder)!r}; choose another name")
    if not folder.exists() or not any(folder.iterdir()):
        return
    path = folder / RUN / _RUN_FILE
    if not path.is_file():
        raise InputError(
            f"train: expected a new folder, or one with a run to go on with, got {str(folder)!r}, which holds other files; "
            "choose another"
        )
    there, plain = read_json(path), to_plain(dict(described))
    differ = [
        f"{key} (it has {there.get(key)!r}, got {plain.get(key)!r})"
        for key in sorted({*there, *plain})
        if there.get(key) != plain.get(key)
    ]
    if differ:
        raise InputError(
            f"train: {str(folder)!r} holds another run, which differs in {'; '.join(differ)[:600]}; give the same again to "
            "go on with it, or another folder"
        )


def begin_run(folder: Path, described: Mapping[str, Any]) -> Path:
    """The folder inside ``folder`` for what training needs, with what tells the run; after `check_run`."""
    run = folder / RUN
    run.mkdir(parents=True, exist_ok=True)
    if not (run / _RUN_FILE).is_file():
        write_json(run / _RUN_FILE, to_plain(dict(described)))
    return run


@contextmanager
def training_alone(run: Path, rank: int) -> Iterator[None]:
    """Hold the folder of a run, so that no other process trains in it; one of several joined processes holds it for all.

    Raises `InputError` while another holds it.
    """
    if rank:
        yield
        return
    with alone(run / ".training", what="train", cure="choose another folder"):
        yield


def check_room(folder: Path, files: Mapping[Path, int]) -> None:
    """Raise `InputError` where the disk of ``folder`` has no room for those of ``files`` (sizes in bytes) that are not there."""
    needed = sum(size for path, size in files.items() if not path.exists())
    place = next(path for path in (folder, *folder.resolve().parents) if path.exists())
    if not os.access(place, os.W_OK):
        raise InputError(f"train: expected a folder that can be written, got {str(place)!r}; choose another")
    free = shutil.disk_usage(place).free
    if needed > free:
        raise InputError(
            f"train: expected {needed / 1e9:.2f} GB of free disk for the decoded images, the vectors and the checkpoints in "
            f"{str(folder)!r}, got {free / 1e9:.2f} GB; make room, choose another disk, a smaller preset, or fewer rows "
            "(clipspace select)"
        )
