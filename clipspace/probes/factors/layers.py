"""Layers: the places where a factor is looked for. Embeddings, features before the projection, pixels, the scene's code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from clipspace.errors import CapabilityError
from clipspace.points import sphere
from clipspace.points.pca import PCA
from clipspace.probes.factors.ceilings import WIDTH, pixel_code

if TYPE_CHECKING:
    from clipspace.space import Space

EMBEDDING, FEATURES, PIXELS, CODE = "embedding", "features", "pixels", "code"
_CHUNK = 256


def encode(space: Space, images: Iterable, batch_size: int) -> np.ndarray:
    """Raw embeddings ``(n, d)``, holding no more than a few hundred images at a time."""
    return _collected({EMBEDDING: partial(_embeddings, space, batch_size=batch_size)}, images)[EMBEDDING]


def layers_of(
    space: Space, controls: Mapping[str, Space], images: Iterable[Image.Image], batch_size: int
) -> dict[str, np.ndarray]:
    """The layers of all images, ``(n, d)`` each, and "raw" embeddings; images are taken once, a few hundred at a time.

    "embedding" and "features" (before the projection, where the encoder has them) of the space, "NAME embedding" and "NAME
    features" of each control, as directions; "pixels", their first principal components.
    """
    takes: dict[str, Callable] = {PIXELS: lambda chunk: np.stack([pixel_code(image) for image in chunk])}
    for name, other in {"": space, **controls}.items():
        prefix = f"{name} " if name else ""
        takes[f"{prefix}{EMBEDDING}"] = partial(_embeddings, other, batch_size=batch_size)
        if _has_features(other):
            takes[f"{prefix}{FEATURES}"] = partial(_features, other, batch_size=batch_size)
    found = _collected(takes, images)
    raw, pixels = found[EMBEDDING], found.pop(PIXELS)
    directions = PCA(min(WIDTH, *pixels.shape), normalize=False).fit_transform(pixels)
    return {"raw": raw, **{name: sphere.unit(vectors) for name, vectors in found.items()}, PIXELS: directions}


def _collected(takes: Mapping[str, Callable], images: Iterable) -> dict[str, np.ndarray]:
    waiting, parts = iter(images), {name: [] for name in takes}
    while chunk := list(islice(waiting, _CHUNK)):
        for name, take in takes.items():
            parts[name].append(take(chunk))
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def _embeddings(space: Space, chunk: list[Image.Image], *, batch_size: int) -> np.ndarray:
    return space.encode_images(chunk, batch_size=batch_size).vectors


def _features(space: Space, chunk: list[Image.Image], *, batch_size: int) -> np.ndarray:
    return space.encode_features(chunk, batch_size=batch_size).vectors


def _has_features(space: Space) -> bool:
    try:
        space.encode_features([Image.new("RGB", (64, 64))])
    except (CapabilityError, AttributeError):
        return False
    return True
