"""Writing a store: begun, filled shard by shard, and whole once every shard is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from clipspace.errors import InputError
from clipspace.points.embeddings import Embeddings, Stamp, check_same_space
from clipspace.points.store import layout
from clipspace.points.store.locking import writing_alone
from clipspace.points.store.opening import open_store
from clipspace.points.store.reading import Store
from clipspace.points.store.shards import copy_shard, write_embeddings

DTYPES = ("float32", "float16")


def new_header(
    stamp: Stamp | None,
    modalities: Sequence[str],
    *,
    dtype: str = "float32",
    normalized: bool = False,
    shards: int | None = None,
    recipe: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """store.json of a store that is being written; `finish` completes it."""
    if dtype not in DTYPES:
        raise InputError(f"store: expected dtype 'float32' or 'float16', got {dtype!r}")
    return {
        "format": layout.FORMAT,
        "stamp": None if stamp is None else stamp.to_dict(),
        "modalities": list(modalities),
        "dtype": dtype,
        "normalized": normalized,
        "shards": shards,
        "recipe": dict(recipe or {}),
        "versions": {"clipspace": version("clipspace"), "numpy": np.__version__},
        "rows": None,
        "rejected": None,
        "hash": None,
    }


def begin(path: Path, header: dict[str, Any], *, writer: str = "part") -> dict[str, Any]:
    """The header of the store at ``path``: ``header`` for a new one, else the one there, which must agree.

    Raises `SpaceMismatchError` for another stamp, `InputError` for another recipe or a folder of other things.
    """
    if not layout.header_file(path).is_file():
        is_occupied = path.exists() and (
            not path.is_dir() or any(p for p in path.iterdir() if not p.name.startswith("."))
        )
        if (
            is_occupied and not layout.header_file(path).is_file()
        ):  # asked again: a job beside this one may have begun it
            raise InputError(f"store: expected a store or an empty folder, got {str(path)!r}; choose another")
        if layout.create_json(layout.header_file(path), header, writer=writer):
            return header
    existing = layout.read_header(path)
    check_same_space(layout.stamp_of(existing), layout.stamp_of(header), f"store {str(path)!r}")
    fixed = ("modalities", "dtype", "normalized", "shards", "recipe")
    differ = [
        f"{key} (expected {existing[key]}, got {header[key]})" for key in fixed[:-1] if existing[key] != header[key]
    ]
    recipe, new_recipe = existing["recipe"], header["recipe"]
    differ += [
        "the input" if key == "input" else f"{key} (expected {recipe.get(key)}, got {new_recipe.get(key)})"
        for key in sorted({*recipe, *new_recipe})
        if recipe.get(key) != new_recipe.get(key)
    ]
    if differ:
        raise InputError(
            f"store: {str(path)!r} was begun with another input or other settings: {'; '.join(differ)}; "
            "use the same again, or write to another folder"
        )
    return existing


@contextmanager
def new_store(path: Path, header: dict[str, Any], doing: str) -> Iterator[dict[str, Any]]:
    """The header of a store that this process alone begins and fills, or one that broke off. Never one that is whole."""

    def refuse_whole() -> None:
        if layout.finished(path):
            raise InputError(f"{doing}: {str(path)!r} holds a store; choose another folder, or append to it")

    refuse_whole()
    with writing_alone(path):
        refuse_whole()  # another may have finished it before the lock was ours
        yield begin(path, header)


def is_current(path: Path, header: dict[str, Any]) -> bool:
    """Whether a complete header is that of the shards, none of which was encoded again since by a run that broke off."""
    records = [layout.whole_record(path, shard) for shard in range(header["shards"])]
    return None not in records and header["hash"] == layout.content_hash(records)


def finish(path: Path, header: dict[str, Any], *, writer: str = "part") -> dict[str, Any] | None:
    """Complete store.json once every shard is there, unless it is complete; None while a shard is missing."""
    if header["rows"] is not None and is_current(path, header):
        return header
    records = [layout.whole_record(path, shard) for shard in range(header["shards"])]
    if None in records:
        return None
    totals = {key: sum(record[key] for record in records) for key in ("rows", "rejected")}
    header = {**header, **totals, "hash": layout.content_hash(records)}
    layout.write_json(layout.header_file(path), header, writer=writer)
    return header


def write_store(
    path: str | Path,
    parts: Embeddings | Iterable[Embeddings],
    *,
    dtype: str = "float32",
    normalized: bool = False,
) -> Store:
    """A new store of embeddings, one shard for each of ``parts``; columns and names are kept.

    ``normalized`` keeps directions in the arrays, as clip-retrieval does; the ``norm`` column always keeps the lengths.

    Raises `SpaceMismatchError` when the parts carry different stamps.
    """
    path, writing = Path(path), iter([parts] if isinstance(parts, Embeddings) else parts)
    first = next(writing, None)
    if first is None:
        raise InputError("write_store: expected at least one Embeddings, got none")
    new = new_header(first.stamp, [first.modality], dtype=dtype, normalized=normalized)
    with new_store(path, new, "write_store") as header:
        shards = 0
        for part in chain([first], writing):
            check_same_space(first.stamp, part.stamp, "write_store")
            if part.modality != first.modality:
                raise InputError(
                    f"write_store: expected {first.modality} embeddings throughout, got {part.modality}; "
                    "write a store for each, or encode(texts=True)"
                )
            write_embeddings(path, shards, part, header)
            shards += 1
        finish(path, {**header, "shards": shards})
    return open_store(path)


def append(path: str | Path, embeddings: Embeddings) -> Store:
    """Append ``embeddings`` to the store at ``path``, as a further shard.

    Raises `SpaceMismatchError` for another stamp, `InputError` for a store that is unfinished, of more modalities, or
    being written by another process.
    """
    store = open_store(path)
    if not store.native or store.modalities != (embeddings.modality,):
        raise InputError(
            f"append: expected a clipspace store of {embeddings.modality} embeddings alone, got {store}; "
            "write another store and merge the two"
        )
    check_same_space(store.stamp, embeddings.stamp, f"append to {str(path)!r}")
    with writing_alone(store.path):
        header = open_store(path).header  # read again: another may have appended before the lock was ours
        write_embeddings(store.path, header["shards"], embeddings, header)
        finish(store.path, {**header, "shards": header["shards"] + 1, "recipe": {}})
    return open_store(path)


def merge(paths: Sequence[str | Path], output: str | Path) -> Store:
    """A new store with the rows of several, in order. Their shards are copied as they are.

    Raises `SpaceMismatchError` when their stamps differ, `InputError` when their dtype or normalisation does.
    """
    stores = [open_store(path) for path in paths]
    if not stores or not all(store.native for store in stores):
        raise InputError("merge: expected stores that clipspace wrote; write others anew first (clipspace select)")
    first = stores[0].header
    for store in stores:
        check_same_space(stores[0].stamp, store.stamp, f"merge {str(store.path)!r}")
        for key in ("modalities", "dtype", "normalized"):
            if store.header[key] != first[key]:
                raise InputError(
                    f"merge: expected stores of one {key}, got {first[key]} and {store.header[key]} ({store.path})"
                )
    output = Path(output)
    new = new_header(stores[0].stamp, first["modalities"], dtype=first["dtype"], normalized=first["normalized"])
    shards = [(store.path, shard) for store in stores for shard in range(store.header["shards"])]
    with new_store(output, new, "merge"):
        for target, (source, shard) in enumerate(shards):
            copy_shard(source, shard, output, target)
        finish(output, {**new, "shards": len(shards)})
    return open_store(output)
