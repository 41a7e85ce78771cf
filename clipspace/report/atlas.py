"""The points of a report's explorer: rows of the user's store, the user's images, or rendered scenes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from clipspace import progress
from clipspace.analyses.given import Given
from clipspace.points.embeddings import Embeddings
from clipspace.report.explorer import explorer
from clipspace.report.sprites import SIDES
from clipspace.scenes import caption, render, sample_scenes
from clipspace.search.maps import pca_map, umap_map
from clipspace.sources.images import read_image, square
from clipspace.space import Space

SCENES = 2000
_FEWEST = 4
_LONGEST = 300
"""Largest number of characters of a text in the panel of a point."""


class Points(NamedTuple):
    """Embeddings with their thumbnails, columns and captions."""

    embeddings: Embeddings
    thumbnails: Sequence[Image.Image] | None = None
    columns: Mapping[str, Sequence] | None = None
    captions: Sequence[str] | None = None


def atlas(space: Space, source: Given | None, *, seed: int) -> str | None:
    """HTML of the explorer of the user's points, else of scenes; None for fewer than 4 points."""
    points = _of_scenes(space, seed) if source is None else _of_given(space, source)
    if len(points.embeddings) < _FEWEST:
        return None
    lay_out = umap_map if len(points.embeddings) > 15 else lambda x, seed: pca_map(x)
    placed = lay_out(points.embeddings, seed=seed)
    return explorer(placed, thumbnails=points.thumbnails, columns=points.columns, captions=points.captions)


def _of_scenes(space: Space, seed: int) -> Points:
    scenes = sample_scenes(SCENES, seed=seed + 1)
    pictures = [render(scene) for scene in progress.track(scenes, "rendering", "scenes")]
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


def _of_given(space: Space, source: Given) -> Points:
    captions = source.captions and [_shown(text or "") for text in source.captions]
    columns = {name: [_shown(value) for value in values] for name, values in source.columns.items()}
    return Points(source.points(space), _thumbnails(source), columns, captions)


def _shown(value: Any) -> Any:
    """A value, a long text cut to its beginning, so that 20,000 of them fit a page."""
    return f"{value[:_LONGEST]}…" if isinstance(value, str) and len(value) > _LONGEST else value


def _thumbnails(source: Given) -> list[Image.Image] | None:
    if source.read is None:
        if source.store.modality != "text":
            warnings.warn(
                "report: the explorer shows no thumbnails, since the names of the rows are no paths of images; say what "
                "was encoded (--source)",
                stacklevel=2,
            )
        return None
    small = {i: _small(image) for i, image in source.each(range(len(source)))}
    return [small[i] for i in range(len(source))]


def _small(image: Any) -> Image.Image:
    """An image reduced to the widest tile, so that a whole set fits memory."""
    return square(read_image(image), SIDES[0])
