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
from clipspace.images import read_image, square
from clipspace.maps import pca_map, umap_map
from clipspace.report.explorer import explorer
from clipspace.report.sprites import SIDES
from clipspace.scenes import caption, render, sample_scenes
from clipspace.space import Space
from clipspace.store import open_store
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


def atlas(space: Space, images: Sequence | None, store: Store | None, *, seed: int) -> str | None:
    """HTML of the explorer of ``store``, else of ``images``, else of scenes; None where there are fewer than 4 points."""
    if store is not None:
        points = _of_store(store, seed)
    elif images is not None:
        points = Points(space.encode_images(images), [_small(image) for image in images])
    else:
        points = _of_scenes(space, seed)
    if len(points.embeddings) < _FEWEST:
        return None
    lay_out = umap_map if len(points.embeddings) > 15 else lambda x, seed: pca_map(x)
    placed = lay_out(points.embeddings, seed=seed)
    return explorer(placed, thumbnails=points.thumbnails, columns=points.columns, captions=points.captions)


def open_atlas(space: Space, path: str | Path) -> Store:
    """The store at ``path``. Raises `SpaceMismatchError` before any work when it is of another space."""
    store = open_store(path)
    check_same_space(space.stamp, store.stamp, "report")
    return store


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


def _of_store(store: Store, seed: int) -> Points:
    """Rows of a store, with its metadata as columns and, where all their files can be read, thumbnails."""
    rows = np.arange(len(store))
    if len(rows) > MOST:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MOST, replace=False))
    table = store.metadata().take(rows)
    columns = {name: table[name].to_pylist() for name in table.column_names if name not in ("image_path", "caption")}
    captions = table["caption"].to_pylist() if "caption" in table.column_names else None
    points = store[rows]
    return Points(points, _thumbnails(points.names), columns, captions and [text or "" for text in captions])


def _thumbnails(names: Sequence[str]) -> list[Image.Image] | None:
    try:
        return [_small(name) for name in names]
    except ClipspaceError as error:
        warnings.warn(f"report: the explorer shows no thumbnails, since {error}", stacklevel=2)
        return None


def _small(image: Any) -> Image.Image:
    """What the widest tile shows of an image, so that a whole set of them fits memory."""
    return square(read_image(image), SIDES[0])
