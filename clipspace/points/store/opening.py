"""`open_store`: what is in a folder, checked before any of it is read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from clipspace.errors import InputError, SpaceMismatchError
from clipspace.points.embeddings import Stamp, check_same_space
from clipspace.points.store import layout, metadata
from clipspace.points.store.pairing import check_same_names, pair
from clipspace.points.store.reading import Store
from clipspace.points.store.runs import Shard


def open_store(path: str | Path, *, modality: str | None = None, stamp: Stamp | None = None) -> Store:
    """The store in a folder, memory-mapped: one that clipspace wrote, or one in clip-retrieval's layout.

    Parameters
    ----------
    path : folder with ``img_emb`` or ``text_emb``
    modality : "image" or "text" where the store has both; images when None
    stamp : the space that a store without a stamp comes from, where you know it

    Raises `InputError` for a store that is unfinished, damaged or none, `SpaceMismatchError` when ``stamp`` is not its own.
    """
    if not isinstance(path, (str, PathLike)):
        raise InputError(
            f"open_store: expected the path of a folder, got {path!r}; make a store with `clipspace encode`"
        )
    path = Path(path)
    native = layout.header_file(path).is_file()
    if not native and not any((path / folder).is_dir() for folder in ("img_emb", "text_emb")):
        raise InputError(
            f"open_store: expected a folder with store.json or img_emb, got {str(path)!r}; make one with `clipspace encode`"
        )
    header = _native_header(path) if native else _foreign_header(path)
    modality = modality or header["modalities"][0]
    if modality not in header["modalities"]:
        raise InputError(f"open_store: expected one of {header['modalities']}, got {modality!r} of {str(path)!r}")
    shards = _native_shards(path, header, modality) if native else _foreign_shards(path, modality)
    if not shards:
        raise InputError(f"open_store: expected at least one row in {str(path)!r}, got none; see its folder 'rejected'")
    if len({(shard.dim, shard.dtype) for shard in shards}) > 1:
        raise InputError(f"open_store: expected arrays of one dimension and dtype in {str(path)!r}, got several")
    own_stamp = layout.stamp_of(header)
    if own_stamp is not None and stamp is not None:
        check_same_space(own_stamp, stamp, f"open_store {str(path)!r}")
    if stamp is not None and stamp.dim != shards[0].dim:
        raise SpaceMismatchError(
            f"open_store: expected vectors of {stamp}, got {shards[0].dim} dimensions in {str(path)!r}"
        )
    return Store(
        path,
        own_stamp or stamp,
        modality,
        tuple(header["modalities"]),
        shards[0].dtype,
        header["normalized"] if native else _looks_normalized(shards),
        native,
        tuple(shards),
        header,
    )


def open_beside(store: Store, modality: str) -> Store:
    """The same rows' other side: the texts ("text") of a store of images that was encoded with them, or its images.

    Raises `InputError` where the store has no such side.
    """
    other_side = open_store(store.path, modality=modality, stamp=store.stamp)
    if not store.native:
        check_same_names(*([shard.vectors for shard in side.shards] for side in (store, other_side)))
    return other_side


def _native_header(path: Path) -> dict[str, Any]:
    header = layout.read_header(path)
    if header["rows"] is None:
        total = header["shards"]
        n_whole = sum(layout.whole_record(path, shard) is not None for shard in range(total or 0))
        raise InputError(
            f"open_store: {str(path)!r} is unfinished ({n_whole} of {total or 'unknown'} shards); "
            "run the same `clipspace encode` again to go on"
        )
    return header


def _native_shards(path: Path, header: dict[str, Any], modality: str) -> list[Shard]:
    shards = []
    for number in range(header["shards"] or 0):
        record = layout.whole_record(path, number)
        if record is None:
            raise InputError(
                f"open_store: shard {number} of {str(path)!r} is damaged: a file is missing or not of its size; "
                "run the same `clipspace encode` again to repair it"
            )
        if record["rows"]:
            metadata = path / layout.metadata_file(number)
            shards.append(_shard(path / layout.vectors_file(modality, number), metadata, record["rows"]))
    return shards


def _foreign_header(path: Path) -> dict[str, Any]:
    present = [m for m in ("image", "text") if any((path / layout.FOLDERS[m]).glob("*.npy"))]
    if not present:
        raise InputError(f"open_store: expected .npy files in {str(path)!r}, got none; get a whole copy of the store")
    return {"modalities": present, "stamp": None}


def _foreign_shards(path: Path, modality: str) -> list[Shard]:
    arrays = list((path / layout.FOLDERS[modality]).glob("*.npy"))
    paired = pair(arrays, list((path / "metadata").glob("*.parquet")), _rows_of)
    shards = [_shard(array, metadata, None if metadata is None else _rows_of(metadata)) for array, metadata in paired]
    return [shard for shard in shards if shard.rows]


def _shard(vectors: Path, metadata: Path | None, rows: int | None) -> Shard:
    """Raises `InputError` unless the array is (rows, d) of floats and whole."""
    try:
        with vectors.open("rb") as file:
            np.lib.format.read_magic(file)
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
            offset = file.tell()
    except Exception as error:  # the parser of a broken head raises what it likes
        raise InputError(f"open_store: {str(vectors)!r} is no array ({error}); get a whole copy of it") from None
    expected_size = offset + math.prod(shape) * dtype.itemsize
    if len(shape) != 2 or fortran or dtype.kind != "f" or vectors.stat().st_size != expected_size:
        raise InputError(f"open_store: expected whole rows of floats in {str(vectors)!r}, got {dtype} {shape}")
    if rows is not None and rows != shape[0]:
        raise InputError(
            f"open_store: expected {rows} vectors in {vectors.name}, one per row of {metadata.name}, got {shape[0]}; "
            "get a whole copy of both"
        )
    return Shard(vectors, metadata, *shape, dtype, offset)


def _looks_normalized(shards: Sequence[Shard]) -> bool:
    first = np.asarray(shards[0].map(0, 256), dtype=np.float64)
    return bool(np.all(np.abs(np.linalg.norm(first, axis=1) - 1) < 5e-3))


def _rows_of(file: Path) -> int:
    """How many rows an array or a table of metadata says that it has."""
    return metadata.count_rows(file) if file.suffix == ".parquet" else _shard(file, None, None).rows
