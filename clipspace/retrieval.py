"""Searching an index with whatever a space can embed: texts, images, and points a manipulation has moved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clipspace.blocks import carries_stamp
from clipspace.images import SUFFIXES

if TYPE_CHECKING:
    from clipspace.index import Index, Neighbours
    from clipspace.space import Space


def retrieve(space: Space, index: Index, query, *, k: int = 10) -> Neighbours:
    """The ``k`` rows of ``index`` nearest to each of ``query``, by cosine.

    A query is a text or several, images (paths, PIL, arrays), `Embeddings` or a store, or whatever carries
    embeddings: the result of `text_diff` or `interpolate`, or a `Code`. A string is a path if it ends like one, else a text.
    Raises `SpaceMismatchError` when the index is of another space.
    """
    points = getattr(query, "embeddings", query)
    if not carries_stamp(points):
        first = points[0] if isinstance(points, (list, tuple)) and points else points
        is_text = isinstance(first, str) and Path(first).suffix.lower() not in SUFFIXES
        points = space.encode_texts(points) if is_text else space.encode_images(points)
    return index.search(points, k)
