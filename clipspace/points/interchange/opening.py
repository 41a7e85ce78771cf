"""`open_points`: vectors that one already has, in whatever file or object they are, opened in place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from clipspace.errors import InputError, SpaceMismatchError
from clipspace.points.arrays import as_points, is_points
from clipspace.points.embeddings import Embeddings, Modality, RowNumbers, Stamp, check_same_space
from clipspace.points.interchange.arrays import numpy_of, vectors_at
from clipspace.points.interchange.beside import with_beside
from clipspace.points.interchange.paths import ARRAYS, KINDS, kind_of, split_name
from clipspace.points.interchange.table_points import table_points
from clipspace.points.interchange.tables import Table, is_table, table_at, table_of
from clipspace.points.protocol import Points
from clipspace.points.stamps import read_stamp
from clipspace.points.store import layout, open_store
from clipspace.points.store.reading import HALF, NO_NORMS, NO_STAMP

KEY = b"clipspace.points"
"""Key of the facts of points in the metadata of a table's schema: stamp, modality, and the columns of vectors and names."""
_NAMES = ("name", "image_path", "file_name", "caption")
"""Columns that name rows, the first that is there."""
_LOOKED_AT = 256
_UNIT = 5e-3
"""Largest difference from 1 of the norm of a row that is taken for a direction; float16 rounds to 1e-3."""


def open_points(
    source: Any,
    *,
    column: str | None = None,
    names: Any = None,
    labels: Any = None,
    norms: Any = None,
    space: Any = None,
    modality: Modality | None = None,
) -> Points:
    """Points from the vectors of another program; memory-mapped instead of copied where possible.

    Parameters
    ----------
    source : path of a .npy, .npz, .safetensors or .pt file, of a Parquet, Arrow, CSV or Lance table, of a folder of
        such tables, as Hugging Face's ``save_to_disk`` writes, or of a store, clip-retrieval's too; or an array, a
        tensor, a pandas, polars or Arrow table, or points. ``file:name`` names an array or a column
    column : the array or column of vectors, where there are several: of lists, of structs of numbers, or numbered
        columns of one number each, e0, e1, …, called ``e*``. A list in a struct is called ``struct.list``
    names : name of each row; a sequence, a column of the source, or a file such as ``meta.csv:file``
    labels : labels of each row, given like ``names``; or ``{column: labels}``. Rows of a file are matched by name if one of its
        columns holds the names, else by position
    norms : norms of the raw vectors, if these are scaled to norm 1; stored as the column ``norm``
    space : the space that the vectors come from, if known: a `Space` or a `Stamp`
    modality : "image", "text" or "prior"; "image" by default if the source does not say

    Returns
    -------
    `Embeddings` whose vectors are mapped into memory, a `Store`, or `TablePoints`, which are read batch by batch. `limits`
    says what cannot be done with them, and what to add.

    Raises
    ------
    InputError
        For a source that cannot be read, and for names, labels or norms that are not one for each vector.
    SpaceMismatchError
        For a ``space`` of another dimension, or other than the source's own.

    >>> points = open_points(np.eye(3, dtype=np.float32), names=["a", "b", "c"], labels={"kind": [1, 2, 2]})
    >>> points[1].names, points[1].columns["kind"]
    (('b',), [2])
    """
    opened = _opened(source, column, modality)
    stamp = _stamp_of(space)
    if opened.stamp is not None and stamp is not None:
        check_same_space(opened.stamp, stamp, "open_points")
    if stamp is not None and stamp.dim != opened.dim:
        raise SpaceMismatchError(
            f"open_points: expected vectors of {stamp}, got {opened.dim} dimensions; check the space"
        )
    column_of_norms = layout.NORMS[modality or opened.modality]
    lengths = None if norms is None else (column_of_norms, norms)
    return with_beside(opened, names=names, labels=labels, norms=lengths, stamp=stamp, modality=modality)


def limits(points: Points) -> tuple[str, ...]:
    """What cannot be done with points, and what to tell `open_points` so that it can; empty where nothing is missing.

    >>> for limit in limits(open_points(np.eye(2))): print(limit.split(":")[0])
    it has no stamp, so it is not compared with other embeddings
    its rows are named by their numbers
    it holds directions without their norms, so decoders that want raw vectors cannot take it
    """
    has_norms = layout.NORMS[points.modality] in points.columns
    found = []
    if points.stamp is None:
        found.append(
            NO_STAMP + "if you know which space the vectors come from, pass space=load_space(…) (--space); they are "
            f"assumed to be {points.modality}s, which modality= changes"
        )
    if isinstance(points.names, RowNumbers):
        found.append("its rows are named by their numbers: pass names='meta.csv:file' (--names meta.csv:file)")
    if are_unit(points) and not has_norms:
        found.append(NO_NORMS + "pass the norms of the raw vectors, norms='meta.csv:norm', or encode the images again")
    if next(iter(points.blocks(1))).dtype == np.float16:
        found.append(HALF)
    return tuple(found)


def are_unit(points: Points) -> bool:
    """Whether the first vectors have norm 1, so that the lengths of all were probably taken off."""
    first = next(iter(points.blocks(_LOOKED_AT)))
    return bool(np.all(np.abs(np.linalg.norm(first.astype(np.float64), axis=1) - 1) < _UNIT))


def is_vectors(path: Path) -> bool:
    """Whether a path names vectors in a file of arrays or a table, not a store nor a folder of images."""
    file, _ = split_name(path)
    return not is_store(file) and (kind_of(path) in ARRAYS or is_table(file))


def holds_vectors(path: Path) -> bool:
    """Whether the column of a table that ``path`` names, or the only one that could, has vectors, not one value a row."""
    file, name = split_name(path)
    try:
        table_points(table_at(file), name)
    except InputError:
        return False
    return True


def is_store(path: Path) -> bool:
    """Whether a path is the folder of a store, clipspace's or clip-retrieval's."""
    return any((path / name).exists() for name in ("store.json", "img_emb", "text_emb"))


def _opened(source: Any, column: str | None, modality: Modality | None) -> Points:
    if isinstance(source, (str, PathLike)):
        return _at(Path(source), column, modality)
    if is_points(source):
        return source
    name = type(source).__name__
    if name in ("DataFrame", "Table", "Dataset"):
        return _of_table(table_of(source, name), column)
    if _holds_lists(source):
        import pandas

        return _of_table(table_of(pandas.DataFrame({"vectors": source}), name), "vectors")
    return as_points(numpy_of(source) if hasattr(source, "detach") else source)


def _at(path: Path, column: str | None, modality: Modality | None) -> Points:
    file, name = split_name(path)
    name = column or name
    if is_store(file):
        return open_store(file, modality=modality)
    if is_table(file):
        return _of_table(table_at(file), name)
    if not file.is_file():
        raise InputError(f"open_points: expected {KINDS}, got {str(path)!r}; check the path")
    array = vectors_at(file, name)
    floats = array if np.issubdtype(array.dtype, np.floating) else array.astype(np.float32)
    return Embeddings(floats, names=RowNumbers(len(floats)))


def _of_table(table: Table, column: str | None) -> Points:
    """The points of a table, with what `write_points` wrote of them where it did."""
    facts = _facts_of(table)
    points = table_points(table, column or facts.get("vectors"))
    named = facts.get("names") or next((name for name in _NAMES if name in table.schema.names), None)
    return replace(
        points,
        name_column=named,
        stamp=read_stamp(facts.get("stamp")),
        modality=facts.get("modality", "image"),
        facts=facts,
    )


def _facts_of(table: Table) -> dict[str, Any]:
    written = (table.schema.metadata or {}).get(KEY)
    if written is None:
        return {}
    try:
        facts = json.loads(written)
    except ValueError as error:
        raise InputError(f"{table.name!r}: expected JSON in its metadata, got {error}; write the table again") from None
    return facts if isinstance(facts, Mapping) else {}


def _holds_lists(source: Any) -> bool:
    """Whether a pandas column, or a list, has an array or a list in each row that NumPy alone would take for objects."""
    return type(source).__name__ == "Series" and str(source.dtype) == "object"


def _stamp_of(space: Any) -> Stamp | None:
    if space is None or isinstance(space, Stamp):
        return space
    stamp = getattr(space, "stamp", None)
    if not isinstance(stamp, Stamp):
        raise InputError(
            f"open_points: expected a Space or a Stamp as space, got {space!r:.80}; load it first, "
            "space=load_space('ViT-L-14/openai')"
        )
    return stamp
