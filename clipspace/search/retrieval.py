"""Search of an index with what a space can embed: texts, images, and points that a manipulation moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipspace.errors import InputError
from clipspace.points.arrays import is_points
from clipspace.sources.image_or_text import is_text

if TYPE_CHECKING:
    from clipspace.search import Index, Neighbours
    from clipspace.space import Space


def retrieve(space: Space, index: Index, query, *, k: int = 10) -> Neighbours:
    """The ``k`` rows of ``index`` nearest to each of ``query``, by cosine.

    A query is a text or several, images (paths, PIL, arrays), `Embeddings` or a store, or whatever carries
    embeddings: the result of `text_diff` or `interpolate`, or a `Code`. A string is a path or a text by the rule of
    `image_or_text`. Raises `SpaceMismatchError` when the index is of another space, and `InputError` for texts beside
    images.
    """
    points = getattr(query, "embeddings", query)
    if not is_points(points):
        points = space.encode_texts(points) if _are_texts(points) else space.encode_images(points)
    return index.search(points, k)


def _are_texts(query) -> bool:
    text_flags = [is_text(item) for item in query] if isinstance(query, (list, tuple)) else [is_text(query)]
    if len(set(text_flags)) > 1:
        raise InputError("retrieve: expected texts or images, got both; search for them apart")
    return any(text_flags)
