"""A cache of inverted images, which several analyses of a report share."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from PIL import Image

from clipspace.points.code import Code
from clipspace.sources.images import content

if TYPE_CHECKING:
    from clipspace.space import Space

_FOUND: WeakKeyDictionary[Space, dict[tuple, Code]] = WeakKeyDictionary()


def inverted(space: Space, pictures: Sequence[Image.Image], *, num_inference_steps: int) -> Code:
    """What `Space.invert` finds for ``pictures``; the same `Code` again for the same images, steps and space.

    Inverting is the dearest part of the analyses that start from a code. Only whole sets are found again: the last digits of
    a code depend on the batch that it was computed in, and an analysis gives the same numbers alone and in a report.
    """
    digest = hashlib.sha256()
    for picture in pictures:
        digest.update(content(picture))
    codes = _FOUND.setdefault(space, {})
    key = (num_inference_steps, digest.hexdigest())
    if key not in codes:
        codes[key] = space.invert(pictures, num_inference_steps=num_inference_steps)
    return codes[key]
