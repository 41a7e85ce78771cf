"""The embedding explorer: a map to zoom, search and step through, as HTML that needs nothing from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from PIL import Image

from clipspace import progress
from clipspace.errors import InputError
from clipspace.measure.column_structure import column, most_structured
from clipspace.plot.colors import PALETTE, SCALE, SHAPES, named_colors
from clipspace.points.protocol import Points
from clipspace.report.meaning import Meaning, meaning
from clipspace.report.packing import pack_array, pack_codes, pack_numbers, pack_texts
from clipspace.report.page import render, write_page
from clipspace.report.sprites import Sprites, beside, pack
from clipspace.search.exact import neighbours
from clipspace.search.maps import Map

_NEIGHBOURS = 10  # number of neighbours shown for each point
_INSIDE = 20_000  # thumbnails that a page holds itself
_COMPARED = 20_000  # number of points whose neighbours on the map are found, to choose a column


def explorer(
    points: Map,
    *,
    thumbnails: Sequence[Image.Image] | Sprites | None = None,
    columns: Mapping[str, Sequence] | None = None,
    captions: Sequence[str] | None = None,
    vectors: Points | None = None,
    words: Points | None = None,
    title: str = "Explorer",
) -> str:
    """HTML of an interactive map of ``points``, for `write_page`; one of them a page.

    On the page: zoom and pan, colour by column, search over names and captions, and of the point under the pointer
    its thumbnail, name, caption, columns and nearest neighbours; all of it by keyboard too. It opens coloured by the
    column that neighbours share most, chance apart.
    What a lasso or a search finds is saved as names or CSV. WebGL paints the points, a 2D canvas where a browser has none.
    20,000 thumbnails add 5 to 10 MB to the text. A million points take about 80 MB: beyond 20,000, the page draws a sample
    of those that are seen while the map moves, and all of them once it rests; `benchmarks/explorer.py` measures it.

    Parameters
    ----------
    points : the map; its ``neighbours`` are shown where it has them
    thumbnails : n images, one a point; or what `clipspace.report.sprites` made of them
    columns : n values each, by name; see `clipspace.measure.column_structure.column`. Labels that all name a colour have that colour
    captions : n texts, searched with the names
    vectors, words : the mapped points, and texts of the same space (a vocabulary, their names the words), for search by
        meaning and words on the regions of the map; see `clipspace.report.meaning.meaning`
    """
    n = len(points)
    per_point = {"names": points.names, "thumbnails": thumbnails, "captions": captions}
    for name, values in (*per_point.items(), *(columns or {}).items()):
        if not (values is None or isinstance(values, Sprites)) and len(values) != n:
            raise InputError(f"explorer: expected {n} values in {name!r}, one per point, got {len(values)}")
    if n == 0 or not np.isfinite(points.coordinates).all():
        raise InputError(f"explorer: expected finite coordinates of one point or more, got {n} points; map them again")
    if (vectors is None) != (words is None):
        raise InputError("explorer: expected vectors and words, both or neither, got one of them")
    sprites = thumbnails if thumbnails is None or isinstance(thumbnails, Sprites) else pack(thumbnails)
    parts: list[str] = []
    data = {
        "n": n,
        "x": pack_array(points.coordinates[:, 0].astype(np.float32), parts),
        "y": pack_array(points.coordinates[:, 1].astype(np.float32), parts),
        "names": pack_texts(map(str, points.names), parts),
        "captions": None if captions is None else pack_texts(map(str, captions), parts),
        "neighbours": _neighbours(points, parts),
        "meaning": None if words is None else _words(meaning(points.coordinates, vectors, words), parts),
        "columns": [_column(name, values, parts) for name, values in (columns or {}).items()],
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
        words=[str(name) for name in words.names] if words is not None else [],
        data=data,
        parts=[Markup(part) for part in parts],
        sheets=[Markup(sheet) for sheet in sprites.sheets] if sprites else [],
    )


def write_explorer(
    path: str | Path,
    points: Map,
    *,
    thumbnails: Sequence[Image.Image] | None = None,
    title: str = "Explorer",
    overwrite: bool = False,
    **options,
) -> Path:
    """Write a page of the explorer alone and return its path; ``options`` are those of `explorer`.

    More than 20,000 thumbnails lie in a folder beside the page, ``NAME-thumbnails``, and are read as they are seen; the
    page works without it, and shows none.
    """
    path, options = Path(path), options | {"title": "", "thumbnails": thumbnails}
    if thumbnails is not None and len(thumbnails) == len(points) > _INSIDE:
        options["thumbnails"] = beside(pack(thumbnails), path.with_name(f"{path.stem}-thumbnails"), overwrite=overwrite)
    with progress.task("packing the page"):
        html = explorer(points, **options)
    return write_page(path, title, [], intro=f"{len(points):,} points", explorer=html, overwrite=overwrite)


def _neighbours(points: Map, parts: list[str]) -> dict[str, Any] | None:
    """The nearest other points, and their cosines in thousandths, which is what the page shows of them."""
    if points.neighbours is None or points.distances is None:
        return None
    rows, distances = points.neighbours[:, :_NEIGHBOURS], points.distances[:, :_NEIGHBOURS].astype(np.float64)
    cosines = np.where(rows < 0, 0, 1 - np.where(rows < 0, 0, distances) ** 2 / 2)
    thousandths = np.round(1000 * cosines).astype(np.int16)
    return {
        "k": rows.shape[1],
        "rows": pack_array(rows.astype(np.int32), parts),
        "cosines": pack_array(thousandths, parts),
    }


def _words(found: Meaning, parts: list[str]) -> dict[str, Any]:
    """The points nearest to each word, and the words of regions."""
    thousandths = np.round(1000 * found.cosines).astype(np.int16)
    return {
        "words": found.words,
        "k": found.rows.shape[1],
        "rows": pack_array(found.rows, parts),
        "cosines": pack_array(thousandths, parts),
        "regions": found.regions,
    }


def _column(name: str, values: Sequence, parts: list[str]) -> dict[str, Any]:
    try:
        structure = column(values)
    except TypeError as error:
        raise InputError(f"explorer: expected text or numbers in the column {name!r} ({error})") from None
    if "numbers" in structure:
        return {"name": name, "numbers": pack_numbers(structure["numbers"], parts)}
    labels = structure["labels"]
    return {
        "name": name,
        "labels": pack_texts(labels, parts),
        "codes": pack_codes(structure["codes"], parts),
        "own": (named_colors(labels) or [])[: len(PALETTE) * len(SHAPES)] or None,
    }


def _first(points: Map, columns: Mapping[str, Sequence]) -> int | None:
    """The column that first colours the map; None without columns."""
    if not columns or len(points) < 2:
        return 0 if columns else None
    near, every = points.neighbours, max(len(points) // _COMPARED, 1)
    if near is None:  # those on the map, of some of its points
        columns = {name: list(values)[::every] for name, values in columns.items()}
        places = points.coordinates[::every].astype(np.float64)
        near = neighbours(places, min(_NEIGHBOURS, len(places) - 1))[1]
    return list(columns).index(most_structured(near[:, : max(_NEIGHBOURS // every, 2)], columns))


def _tiles(sprites: Sprites | None) -> dict[str, int] | None:
    return sprites and {"side": sprites.side, "across": sprites.across, "perSheet": sprites.per_sheet}
