"""The folder of an index: vectors, row numbers and names with their hash, and a description."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from clipspace.errors import InputError
from clipspace.files import sync
from clipspace.points.embeddings import Stamp
from clipspace.points.stamps import read_stamp
from clipspace.points.store.layout import facts_of
from clipspace.search import faiss_backend

_FORMAT = 1
_ATTEMPTS = 5
"""How often a folder is moved to its place while others open the one that is there."""


def write(
    folder: Path,
    engine_index: Any,
    *,
    ids: np.ndarray,
    names: pa.Array,
    stamp: Stamp | None,
    modality: str,
    sources: list[str | None],
    facts: dict[str, Any],
) -> None:
    """Write ``image.index`` and ``image.json``, as clip-retrieval names them, ``ids.npy`` and ``names.parquet``."""
    faiss_backend.write(engine_index, folder / f"{modality}.index")
    np.save(folder / "ids.npy", ids)
    parquet.write_table(pa.table({"name": names}), folder / "names.parquet")
    described = {
        "format": _FORMAT,
        "rows": len(ids),
        "table_sha256": _hash(ids, names),
        "index_file": facts_of(folder / f"{modality}.index"),
        "space": stamp.to_dict() if stamp else None,
        "sources": sources,
        **facts,
        "versions": {package: version(package) for package in ("clipspace", "faiss-cpu", "numpy")},
    }
    (folder / f"{modality}.json").write_text(json.dumps(described, indent=2))


def put(part: Path, path: Path) -> None:
    """Move a written folder to its place, on the disk; one that is there is moved aside until the new one is in its place."""
    for file in part.iterdir():
        sync(file)
    sync(part)
    for attempts_left in reversed(range(_ATTEMPTS)):
        shutil.rmtree(_aside(path), ignore_errors=True)
        if path.exists():
            os.replace(path, _aside(path))
        try:
            os.replace(part, path)
            break
        except OSError:
            if not (attempts_left and path.exists()):  # else one who opened it just then has put the old one back
                raise
    sync(path.parent)
    shutil.rmtree(_aside(path), ignore_errors=True)


def settled(path: Path) -> Path:
    """``path``, with the folder back in its place that a `put` which was cut off had moved aside."""
    aside = _aside(path)
    if aside.exists() and not path.exists():
        with suppress(OSError):  # on a read-only medium
            os.replace(aside, path)
            sync(path.parent)
    return path


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.before")


def read(folder: Path, *, mmap: bool) -> dict[str, Any]:
    """What `write` was given, by name. With ``mmap``, vectors and row numbers stay on disk until they are looked at.

    Raises `InputError` for a folder that `write` did not write, or of which a part is missing or was changed.
    """
    index_files = sorted(folder.glob("*.index"))
    if len(index_files) != 1:
        raise InputError(
            f"open_index: expected a folder written by `clipspace index`, with one .index file, got {str(folder)!r} with {len(index_files)}"
        )
    file = index_files[0]
    try:
        facts = json.loads(file.with_suffix(".json").read_text())
        ids = np.load(folder / "ids.npy", mmap_mode="r")  # which holds the shape to the size of the file
        ids = ids if mmap else np.array(ids)
        names = parquet.read_table(folder / "names.parquet")["name"].combine_chunks()
        space, sources, table = facts.pop("space"), facts.pop("sources"), facts.pop("table_sha256")
        rows, saved_format = facts.pop("rows"), facts.pop("format")
        index_file = facts.pop("index_file", None)
        current_hash, is_whole = _hash(ids, names), _is_whole(file, index_file, mmap=mmap)
        _check_facts(facts)
        stamp = read_stamp(space)
    except Exception as error:  # the reader of a broken array or table raises what it likes
        raise InputError(
            f"open_index: expected a folder written by `clipspace index`, got {str(folder)!r} ({error})"
        ) from None
    if not is_whole:
        raise InputError(f"open_index: expected {file.name!r} as it was saved, got other bytes; build the index again")
    facts.pop("versions", None)
    opened = faiss_backend.read(file, mmap=mmap)
    if saved_format != _FORMAT or not rows == len(ids) == len(names) == opened.ntotal:
        raise InputError(
            f"open_index: expected format {_FORMAT} and {rows} rows throughout, got format {saved_format}, {len(ids)} ids, "
            f"{len(names)} names, {opened.ntotal} vectors in {str(folder)!r}; build it again"
        )
    if current_hash != table:
        raise InputError(
            f"open_index: expected ids and names of hash {table:.8}, as they were saved, got {current_hash:.8} in {str(folder)!r}: "
            "ids or names changed; build it again"
        )
    try:
        faiss_backend.turn(opened, facts["knob"], facts["setting"])
    except RuntimeError as error:
        raise InputError(
            f"open_index: expected a setting of {facts['kind']}, got {facts['knob']!r} = {facts['setting']} in {str(folder)!r} ({error})"
        ) from None
    described = {"stamp": stamp, "modality": file.stem, "sources": sources, "facts": facts}
    return {"engine_index": opened, "ids": ids, "names": names, **described}


def _is_whole(file: Path, saved: dict[str, Any] | None, *, mmap: bool) -> bool:
    """Whether the index has the bytes it was saved with: FAISS reads whatever is there. Of a mapped one only their number."""
    if saved is None:  # clipspace 0.1 noted none
        return True
    return file.stat().st_size == saved["bytes"] and (mmap or facts_of(file) == saved)


def _check_facts(facts: dict[str, Any]) -> None:
    """Raise `ValueError` for facts that an index cannot be searched with."""
    knob, setting, threads = facts["knob"], facts["setting"], facts["threads"]
    is_set = (knob is None and setting is None) or (isinstance(knob, str) and type(setting) is int)
    if not is_set or type(threads) is not int or threads < 1 or not isinstance(facts["kind"], str):
        raise ValueError(f"kind, knob, setting and threads are {[facts['kind'], knob, setting, threads]}")


def _hash(ids: np.ndarray, names: pa.Array) -> str:
    """SHA-256 of row numbers and names, in order."""
    digest = hashlib.sha256(ids.tobytes())
    # Lengths say where each name ends: "ab", "c" is not "a", "bc". A missing name is not an empty one.
    digest.update(pc.binary_length(names).fill_null(-1).to_numpy().tobytes())
    one_list = pa.ListArray.from_arrays([0, len(names)], names.fill_null(""))
    digest.update(pc.binary_join(one_list, "")[0].as_buffer())
    return digest.hexdigest()
