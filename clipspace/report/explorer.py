"""The embedding explorer: a map to zoom, search and step through, as HTML that needs nothing from outside."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from clipspace.errors import InputError
from clipspace.measure.column_structure import column, most_structured
from clipspace.plot.colors import PALETTE, SCALE, SHAPES, named_colors
from clipspace.report.page import render, write_page
from clipspace.report.sprites import Sprites, pack
from clipspace.search.exact import neighbours
from clipspace.search.maps import Map

_NEIGHBOURS = 10  # number of neighbours shown for each point


def explorer(
    points: Map,
    *,
    thumbnails: Sequence[Image.Image] | None = None,
    columns: Mapping[str, Sequence] | None = None,
    captions: Sequence[str] | None = None,
    title: str = "Explorer",
) -> str:
    """HTML of an interactive map of ``points``, for `write_page`; one of them a page.

    On the page: zoom and pan, colour by column, search over names and captions, and of the point under the pointer
    its thumbnail, name, caption, columns and nearest neighbours; all of it by keyboard too. It opens coloured by the
    column that neighbours share most, chance apart. WebGL paints the points, a 2D canvas where a browser has none.
    20,000 thumbnails add 5 to 10 MB to the text.

    Parameters
    ----------
    points : the map; its ``neighbours`` are shown where it has them
    thumbnails : n images, one a point
    columns : n values each, by name; see `clipspace.measure.column_structure.column`. Labels that all name a colour have that colour
    captions : n texts, searched with the names
    """
    n = len(points)
    per_point = {"names": points.names, "thumbnails": thumbnails, "captions": captions}
    for name, values in (*per_point.items(), *(columns or {}).items()):
        if values is not None and len(values) != n:
            raise InputError(f"explorer: expected {n} values in {name!r}, one per point, got {len(values)}")
    if n == 0 or not np.isfinite(points.coordinates).all():
        raise InputError(f"explorer: expected finite coordinates of one point or more, got {n} points; map them again")
    sprites = None if thumbnails is None else pack(thumbnails)
    data = {
        "x": _packed(points.coordinates[:, 0], "<f4"),
        "y": _packed(points.coordinates[:, 1], "<f4"),
        "names": [str(name) for name in points.names],
        "captions": None if captions is None else [str(caption) for caption in captions],
        "neighbours": _neighbours(points),
        "columns": [_column(name, values) for name, values in (columns or {}).items()],
        "first": _first(points, columns or {}),
        "tiles": _tiles(sprites),
        "palette": PALETTE,
        "shapes": SHAPES,
        "scale": SCALE,
    }
    return render(
        "explorer.html",
        title=title,
        n=n,
        columns=list(columns or {}),
        first=data["first"],
        data=data,
        sheets=sprites.sheets if sprites else [],
    )


def write_explorer(
    path: str | Path, points: Map, *, title: str = "Explorer", overwrite: bool = False, **options
) -> Path:
    """Write a page of the explorer alone and return its path; ``options`` are those of `explorer`."""
    intro = f"{len(points):,} points"
    return write_page(path, title, [], intro=intro, explorer=explorer(points, title="", **options), overwrite=overwrite)


def _packed(values: np.ndarray, dtype: str) -> str:
    """An array as base64 of its little-endian values, row by row."""
    return base64.b64encode(np.ascontiguousarray(values, dtype=dtype).tobytes()).decode()


def _neighbours(points: Map) -> dict[str, Any] | None:
    if points.neighbours is None or points.distances is None:
        return None
    rows, distances = points.neighbours[:, :_NEIGHBOURS], points.distances[:, :_NEIGHBOURS]
    return {"k": rows.shape[1], "rows": _packed(rows, "<i4"), "distances": _packed(distances, "<f4")}


def _column(name: str, values: Sequence) -> dict[str, Any]:
    try:
        structure = column(values)
    except TypeError as error:
        raise InputError(f"explorer: expected text or numbers in the column {name!r} ({error})") from None
    if "numbers" in structure:
        return {"name": name, "numbers": _packed(structure["numbers"], "<f8")}
    label_colors = named_colors(structure["labels"])
    return {
        "name": name,
        "labels": structure["labels"],
        "codes": _packed(structure["codes"], "<i4"),
        "own": label_colors,
    }


def _first(points: Map, columns: Mapping[str, Sequence]) -> int | None:
    """The column that first colours the map; None without columns."""
    near = points.neighbours
    if near is None and len(points) > 1:
        near = neighbours(points.coordinates.astype(np.float64), min(_NEIGHBOURS, len(points) - 1))[1]
    if not columns or near is None:
        return 0 if columns else None
    return list(columns).index(most_structured(near[:, :_NEIGHBOURS], columns))


def _tiles(sprites: Sprites | None) -> dict[str, int] | None:
    return sprites and {"side": sprites.side, "across": sprites.across, "perSheet": sprites.per_sheet}
