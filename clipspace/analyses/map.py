"""Which points are neighbours, and what do they share?

UMAP (McInnes et al. 2018, arXiv 1802.03426) or the first two principal components, with images drawn at the positions of
their embeddings.

Look at what neighbours share: for each known column, how often an image's ten nearest neighbours have the same value, in the
space itself and on the map, compared with chance. Distances between distant groups on a UMAP map mean nothing.

Would contradict expectation: groups that share a column which captions never mention, or a column that neighbours share on
the map and not in the space. The latter is an artefact of the map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from clipspace.analyses import Analysis, Cost
from clipspace.analyses.examples import unseen_scenes
from clipspace.errors import InputError
from clipspace.measure.column_structure import drawn_values, most_structured, shared, that_group
from clipspace.points.embeddings import Embeddings
from clipspace.results.pictures import stacked
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.scenes import Scene, factor_table, render
from clipspace.search.exact import neighbours
from clipspace.search.maps import pca_map, umap_map
from clipspace.seeds import stream
from clipspace.sources.images import folders_of, list_images, read_image, square

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from clipspace.space import Space

ANALYSIS = Analysis(
    order=130,
    title="Map",
    takes=("points",),
    scenes="{images:,} rendered scenes",
    options={
        "n": "Scenes to render, when no images and no store are given.",
        "method": "How points are placed: umap, or pca for the first two principal components.",
    },
    quick={"n": 40, "method": "pca"},
    cost=Cost(steps=0, images=1000, seconds=8.0),
)

_SIDE = 48
_SHOWN = 400
"""Largest number of thumbnails that are saved: more than a figure has room for."""
_NEAR = 10
_COLUMNS = {"thing": "thing1", "color": "color1", "texture": "texture1", "size": "size1", "ground": "ground"}


def run(
    space: Space,
    images: Sequence | None = None,
    *,
    points: Embeddings | None = None,
    rows: Sequence[int] | None = None,
    columns: Mapping[str, Sequence] | None = None,
    n: int = 1000,
    method: str = "umap",
    seed: int = 0,
) -> Result:
    """A map of the user's ``images``, whose folders are the known column, or of ``n`` scenes of one thing.

    Or a map of ``points``, with ``columns``, of which those that can group points are used, and with the ``images`` of
    ``rows``, if any. ``method`` is "umap" or "pca". Raises `InputError` for another method, and for fewer than a dozen
    points.
    """
    if method not in ("umap", "pca"):
        raise InputError(f"map: expected method 'umap' or 'pca', got {method!r}")
    scenes = [] if images is not None or points is not None else unseen_scenes(n, seed=seed, layout="one")
    sources, names = list_images([render(scene) for scene in scenes] if scenes else images or ())
    count = len(sources) if points is None else len(points)
    if count < _NEAR + 2:
        raise InputError(f"map: expected {_NEAR + 2} images or more, got {count}")
    if points is None:
        columns, points = _factors(scenes) if scenes else folders_of(sources), space.encode_images(sources)
        rows = range(count)
    else:
        columns, names = that_group(columns or {}), list(points.names)
    placed = pca_map(points) if method == "pca" else umap_map(points, seed=seed)
    near = neighbours(points.unit.astype(np.float64), _NEAR)[1]
    table = _shared(near, placed.coordinates, columns)
    colored = most_structured(near, columns)
    labels, numbers = drawn_values(columns.get(colored, ()))
    thumbnail_rows = stream(seed, "images shown").permutation(len(sources))[:_SHOWN]
    pictures = [square(read_image(sources[i]), _SIDE) for i in thumbnail_rows]
    thumbnails = stacked([pictures])[0] if pictures else np.zeros((0, _SIDE, _SIDE, 3), np.uint8)
    return Result(
        "map",
        table,
        _findings(table, count, method, colored),
        {
            "coordinates": placed.coordinates,
            "rows": np.array([rows[i] for i in thumbnail_rows], dtype=int),
            "thumbnails": thumbnails,
            **numbers,
        },
        {"names": names, "colored by": [colored or ""], "values": labels},
        provenance("map", space, images=count, method=method, seed=seed, map=dict(placed.facts)),
    )


def _factors(scenes: Sequence[Scene]) -> dict[str, list]:
    """What captions may say of scenes of one thing."""
    table = factor_table(scenes)
    return {name: table[column] for name, column in _COLUMNS.items()}


def _shared(near: np.ndarray, coordinates: np.ndarray, columns: dict[str, list]) -> list[dict[str, Any]]:
    """What the nearest ten in the space and on the map share with a point: first themselves, then each column."""
    on_map = neighbours(coordinates.astype(np.float64), _NEAR)[1]
    overlap = np.mean([np.isin(a, b).mean() for a, b in zip(near, on_map, strict=True)])
    rows = [_row("neighbours", len(near), 1.0, overlap, _NEAR / (len(near) - 1))]
    for name, values in columns.items():
        share, chance = shared(near, values)
        share_on_map, _ = shared(on_map, values)
        rows.append(_row(name, len(set(map(str, values))), share, share_on_map, chance))
    return rows


def _row(column: str, values: int, space: float, on_map: float, chance: float) -> dict[str, Any]:
    return {
        "column": column,
        "values": values,
        "shared in the space": float(space),
        "shared on the map": float(on_map),
        "chance": float(chance),
    }


def _told(row: dict[str, Any]) -> float:
    """How far above chance neighbours share a column, 1 being always."""
    return (row["shared in the space"] - row["chance"]) / (1 - row["chance"]) if row["chance"] < 1 else 0.0


def _findings(table: list[dict[str, Any]], n: int, method: str, colored: str | None) -> list[str]:
    neighbour_row, *column_rows = table
    sentences = [
        f"Of the {_NEAR} nearest images in the space, {neighbour_row['shared on the map']:.0%} are among the {_NEAR} nearest on "
        f"the {method.upper()} map of {n} (chance {neighbour_row['chance']:.0%})."
    ]
    if column_rows:
        shares = [
            f"{row['column']} in {row['shared in the space']:.0%} (chance {row['chance']:.0%})"
            for row in sorted(column_rows, key=_told, reverse=True)
        ]
        sentences.append(
            f"Neighbours in the space have the same {', '.join(shares)}; the map is coloured by {colored}."
        )
    return sentences


_METHODS = {"umap": "UMAP", "pca": "its first two principal components"}
_THUMBNAIL = 0.085
"""Side of an image on the map, as a share of the map's."""
_HALF = 0.5
_NAMED = 24
"""Largest number of groups whose names are written on the map; more have a legend."""


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """An image wherever there is room for one; beside it, where a column is known, every point in its colour, groups named."""
    from matplotlib.figure import Figure

    from clipspace.plot import name_groups, paper, scatter, spelt, width
    from clipspace.plot.axes import AS_WRITTEN

    arrays, labels = result.arrays, result.labels
    wide, high = np.ptp(arrays["coordinates"], axis=0)
    column = _column(result)
    panels = 1 + (column is not None)
    with paper(venue):
        across = width(venue)
        figure = Figure(figsize=(across, across * np.clip(0.98 / panels * high / wide, 0.3, 0.8) + 0.25))
        left, *right = figure.subplots(1, panels, squeeze=False)[0]
        pictures = {"thumbnails": arrays["thumbnails"], "rows": arrays["rows"]} if len(arrays["rows"]) else {}
        scatter(arrays["coordinates"], color="0.8", **pictures, side=_THUMBNAIL, ax=left)
        left.set_title(f"{result.provenance.options['method'].upper()} of {len(arrays['coordinates']):,} embeddings")
        for ax in right:
            scatter(arrays["coordinates"], column=column, ax=ax)
            ax.set_title(f"the same, by {spelt(labels['colored by'][0])}", **AS_WRITTEN)
            if _form_groups(result):
                ax.get_legend().remove()
                ax.set(xlim=left.get_xlim(), ylim=left.get_ylim())
                name_groups(arrays["coordinates"], labels["values"], ax=ax)
    return figure


def _column(result: Result) -> Sequence | None:
    """The labels or numbers that colour the map; None where no column is known."""
    column = result.labels["values"] or result.arrays.get("numbers")
    return None if column is None or not len(column) else column


def _form_groups(result: Result) -> bool:
    """Whether most neighbours on the map share a label, and there are few enough labels to write them on it."""
    column, labels = result.labels["colored by"][0], set(result.labels["values"]) - {None}
    shares = [row["shared on the map"] for row in result.table if row["column"] == column]
    return 0 < len(labels) <= _NAMED and bool(shares) and shares[0] > _HALF


def caption(result: Result) -> str:
    """What the figure of `draw` shows."""
    from clipspace.plot import number, spelt

    near, method = result.table.rows[0], result.provenance.options["method"]
    rows = [
        f"{spelt(row['column'])} {number(row['shared in the space'])}, {number(row['shared on the map'])} ({number(row['chance'])})"
        for row in result.table.rows[1:]
    ]
    axes = (
        "the axes have no unit and distances between far groups mean nothing"
        if method == "umap"
        else "axes in units of unit vectors"
    )
    shares = (
        f"""How often two of them share a value, in the space, on the map and (in brackets) by chance: {"; ".join(rows)}."""
        if rows
        else ""
    )
    grey = "every point in grey" + ", with images laid at their points where there is room" * bool(
        len(result.arrays["rows"])
    )
    named = ", the names where its groups are densest" * _form_groups(result)
    panels = (
        f"Shown is {grey}."
        if _column(result) is None
        else f"Left, {grey}. Right, the same points in the colours of the column that neighbours share most{named}."
    )
    return f"""A map of {len(result.arrays["coordinates"]):,} embeddings z, by {_METHODS[method]}; {axes}. {panels} Of the ten
        nearest in the space, {near["shared on the map"]:.0%} are among the ten nearest on the map (chance
        {near["chance"]:.0%}). {shares}"""
