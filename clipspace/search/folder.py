"""The folder of an index: vectors, row numbers and names with their hash, and a description."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from clipspace.errors import InputError
from clipspace.points.embeddings import Stamp
from clipspace.points.stamps import read_stamp
from clipspace.search import faiss_backend

_FORMAT = 1


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
        "space": stamp.to_dict() if stamp else None,
        "sources": sources,
        **facts,
        "versions": {package: version(package) for package in ("clipspace", "faiss-cpu", "numpy")},
    }
    (folder / f"{modality}.json").write_text(json.dumps(described, indent=2))


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
        ids = np.load(folder / "ids.npy", mmap_mode="r" if mmap else None)
        names = parquet.read_table(folder / "names.parquet")["name"].combine_chunks()
        space, sources, table = facts.pop("space"), facts.pop("sources"), facts.pop("table_sha256")
        rows, saved_format = facts.pop("rows"), facts.pop("format")
        current_hash = _hash(ids, names)
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise InputError(
            f"open_index: expected a folder written by `clipspace index`, got {str(folder)!r} ({error})"
        ) from None
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
    faiss_backend.turn(opened, facts["knob"], facts["setting"])
    stamp = read_stamp(space)
    described = {"stamp": stamp, "modality": file.stem, "sources": sources, "facts": facts}
    return {"engine_index": opened, "ids": ids, "names": names, **described}


def _hash(ids: np.ndarray, names: pa.Array) -> str:
    """SHA-256 of row numbers and names, in order."""
    digest = hashlib.sha256(ids.tobytes())
    # Lengths say where each name ends: "ab", "c" is not "a", "bc". A missing name is not an empty one.
    digest.update(pc.binary_length(names).fill_null(-1).to_numpy().tobytes())
    one_list = pa.ListArray.from_arrays([0, len(names)], names.fill_null(""))
    digest.update(pc.binary_join(one_list, "")[0].as_buffer())
    return digest.hexdigest()
