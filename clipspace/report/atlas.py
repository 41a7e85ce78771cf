"""The set that a report's explorer shows: rows of a store, the user's images, or scenes of the mini world."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from clipspace.embeddings import Embeddings, check_same_space
from clipspace.errors import ClipspaceError
from clipspace.images import decode_image, read_image, square
from clipspace.maps import pca_map, umap_map
from clipspace.report.explorer import explorer
from clipspace.report.sprites import SIDES
from clipspace.scenes import caption, render, sample_scenes
from clipspace.seeds import stream
from clipspace.sources import Source, open_source, read_named
from clipspace.space import Space
from clipspace.store import open_store
from clipspace.store.layout import PLACE
from clipspace.store.reading import Store

SCENES = 2000
MOST = 20_000
"""Rows of a store that a page is made for; of a larger one, so many are drawn."""
_FEWEST = 4


class Points(NamedTuple):
    """Embeddings, and what a page shows of them."""

    embeddings: Embeddings
    thumbnails: Sequence[Image.Image] | None = None
    columns: Mapping[str, Sequence] | None = None
    captions: Sequence[str] | None = None


class Stored(NamedTuple):
    """A store, and the source that its images are read from again."""

    store: Store
    source: Source | None = None


def atlas(space: Space, images: Sequence | None, shown: Stored | None, *, seed: int) -> str | None:
    """HTML of the explorer of a store, else of ``images``, else of scenes; None where there are fewer than 4 points."""
    if shown is not None:
        points = _of_store(*shown, seed)
    elif images is not None:
        points = Points(space.encode_images(images), [_small(image) for image in images])
    else:
        points = _of_scenes(space, seed)
    if len(points.embeddings) < _FEWEST:
        return None
    lay_out = umap_map if len(points.embeddings) > 15 else lambda x, seed: pca_map(x)
    placed = lay_out(points.embeddings, seed=seed)
    return explorer(placed, thumbnails=points.thumbnails, columns=points.columns, captions=points.captions)


def open_stored(space: Space, path: str | Path, source: str | Path | Source | None) -> Stored:
    """The store at ``path``, and what it was encoded from, listed.

    Raises, before any work, `SpaceMismatchError` when the store is of another space, and `InputError` when the images
    of ``source`` are not its own.
    """
    store = open_store(path)
    check_same_space(space.stamp, store.stamp, "report")
    if source is None:
        return Stored(store)
    listed = source if isinstance(source, Source) else open_source(source)
    read_named(listed, store.names[:1], store.places and store.places[:1])
    return Stored(store, listed)


def _of_scenes(space: Space, seed: int) -> Points:
    scenes = sample_scenes(SCENES, seed=seed + 1)
    pictures = [render(scene) for scene in scenes]
    captions = [caption(scene, np.random.default_rng([seed + 1, i, 1])).text for i, scene in enumerate(scenes)]
    firsts = [scene.things[0] if scene.things else None for scene in scenes]
    columns = {
        "ground": [scene.ground for scene in scenes],
        "thing": [thing and thing.kind for thing in firsts],
        "colour": [thing and thing.color for thing in firsts],
        "things": [len(scene.things) for scene in scenes],
        "word": [scene.card.word or "blank" if scene.card else None for scene in scenes],
    }
    return Points(space.encode_images(pictures), pictures, columns, captions)


def _of_store(store: Store, source: Source | None, seed: int) -> Points:
    """Rows of a store, with its metadata as columns and, where all their images can be read, thumbnails."""
    rows = np.arange(len(store))
    if len(rows) > MOST:
        rows = np.sort(stream(seed, "rows shown").choice(rows, MOST, replace=False))
    table = store.metadata().take(rows)
    hidden = ("image_path", "caption", PLACE)
    columns = {name: table[name].to_pylist() for name in table.column_names if name not in hidden}
    captions = table["caption"].to_pylist() if "caption" in table.column_names else None
    points = store[rows]
    thumbnails = _thumbnails(points.names, points.columns.get(PLACE), source)
    return Points(points, thumbnails, columns, captions and [text or "" for text in captions])


def _thumbnails(
    names: Sequence[str], places: Sequence[str | None] | None, source: Source | None
) -> list[Image.Image] | None:
    if source is not None:
        return [_small(decode_image(data)) for data in read_named(source, names, places)]
    try:
        return [_small(name) for name in names]
    except ClipspaceError as error:
        warnings.warn(
            f"report: the explorer shows no thumbnails, since {error}; say what was encoded (--source)", stacklevel=2
        )
        return None


def _small(image: Any) -> Image.Image:
    """What the widest tile shows of an image, so that a whole set of them fits memory."""
    return square(read_image(image), SIDES[0])
