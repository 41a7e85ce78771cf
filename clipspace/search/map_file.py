"""The file of a map: Parquet with one row for each point, and how the map was made in its metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from clipspace.errors import InputError, shortened
from clipspace.files import atomically
from clipspace.points.stamps import read_stamp
from clipspace.sequences import in_order

if TYPE_CHECKING:
    from clipspace.search.maps import Map

_KEY = b"clipspace.map"
"""Key of the map's description in the metadata of the file."""


def write(
    path: str | Path,
    placed: Map,
    *,
    images: Sequence[bytes | str | Path] | None = None,
    columns: Mapping[str, Sequence] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a map with the images and columns of its points; see `Map.save`."""
    arrays = _own_columns(placed)
    if images is not None:
        arrays["image"] = pa.array([_as_image(image) for image in images])
    clashing = sorted(set(columns or ()) & set(arrays))
    if clashing:
        raise InputError(
            f"Map.save: expected columns of other names than the map's own, got {shortened(clashing)}; rename them"
        )
    arrays |= {name: _as_column(values, name) for name, values in (columns or {}).items()}
    for name, array in arrays.items():
        if len(array) != len(placed):
            raise InputError(f"Map.save: expected {len(placed)} values in {name!r}, one per point, got {len(array)}")
    description = {
        "facts": dict(placed.facts),
        "space": placed.stamp.to_dict() if placed.stamp else None,
        "axes": None if placed.axes is None else placed.axes.tolist(),
    }
    table = pa.table(arrays).replace_schema_metadata({_KEY: json.dumps(description)})
    with atomically(path, overwrite=overwrite) as part:
        parquet.write_table(table, part)


def read(path: str | Path) -> dict[str, Any]:
    """The fields of a `Map` by name. Raises `InputError` for a file that `write` did not write."""
    try:
        table = parquet.read_table(path)
        description = json.loads(table.schema.metadata[_KEY])
        rows, distances = _read_neighbors(table)
        return {
            "coordinates": np.stack([table["x"].to_numpy(), table["y"].to_numpy()], axis=1),
            "names": table["name"].to_pylist(),
            "neighbours": rows,
            "distances": distances,
            "facts": description["facts"],
            "stamp": read_stamp(description["space"]),
            "axes": None if description["axes"] is None else np.array(description["axes"]),
        }
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise InputError(f"load_map: expected a file written by `clipspace map`, got {str(path)!r} ({error})") from None


def _own_columns(placed: Map) -> dict[str, pa.Array]:
    columns = {
        "name": pa.array(list(placed.names), pa.string()),
        "x": pa.array(placed.coordinates[:, 0]),
        "y": pa.array(placed.coordinates[:, 1]),
    }
    if placed.neighbours is not None:
        columns["neighbors"] = _as_neighbors(placed.neighbours, placed.distances)
    return columns


def _as_neighbors(rows: np.ndarray, distances: np.ndarray) -> pa.Array:
    """A struct {ids, distances} of lists, rows that are not known left out."""
    is_known = rows >= 0
    offsets = np.concatenate([[0], np.cumsum(is_known.sum(axis=1))]).astype(np.int32)
    lists = [pa.ListArray.from_arrays(offsets, pa.array(values[is_known])) for values in (rows, distances)]
    return pa.StructArray.from_arrays(lists, names=["ids", "distances"])


def _read_neighbors(table: pa.Table) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
    """Row numbers and distances (n, k), filled up with -1 and infinity; None where the map has no neighbours."""
    if "neighbors" not in table.column_names:
        return None, None
    lists = table["neighbors"].combine_chunks()
    ids, distances = lists.field("ids"), lists.field("distances")
    counts = np.diff(ids.offsets.to_numpy())
    width = int(counts.max(initial=0))
    is_known = np.arange(width) < counts[:, None]
    rows, chords = np.full(is_known.shape, -1), np.full(is_known.shape, np.inf, np.float32)
    rows[is_known], chords[is_known] = ids.flatten().to_numpy(), distances.flatten().to_numpy()
    return rows, chords


def read_beside(path: str | Path) -> dict[str, list]:
    """The columns of a map's file beside its own, by name; lists, structs and binary columns are left out."""
    own = {"name", "x", "y", "neighbors", "image"}
    schema = parquet.read_schema(path)
    names = [field.name for field in schema if field.name not in own and not _is_compound(field.type)]
    return parquet.read_table(path, columns=names).to_pydict()


def read_images(path: str | Path) -> list[bytes] | None:
    """The image files stored in a map; None if there are none."""
    if "image" not in parquet.read_schema(path).names:
        return None
    return [image["bytes"] for image in parquet.read_table(path, columns=["image"])["image"].to_pylist()]


def _is_compound(kind: pa.DataType) -> bool:
    return pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _as_column(values: Any, name: str) -> pa.Array | pa.ChunkedArray:
    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        return values
    return pa.array(in_order(values, f"Map.save: {name!r}"))


def _as_image(image: bytes | str | Path) -> dict[str, Any]:
    if isinstance(image, bytes):
        return {"bytes": image, "path": None}
    try:
        return {"bytes": Path(image).read_bytes(), "path": str(image)}
    except OSError as error:
        raise InputError(f"Map.save: could not read the image {str(image)!r}: {error}") from None
