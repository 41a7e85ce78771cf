"""Checks of what a space is given: points of its own, noise of its decoder's shape, a guidance that is a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from clipspace.errors import InputError
from clipspace.points.embeddings import Embeddings, check_same_space

if TYPE_CHECKING:
    from clipspace.space.space import Space


def check_points(space: Space, points: Embeddings, doing: str) -> None:
    """Raise `InputError` unless ``points`` are `Embeddings`, `SpaceMismatchError` unless they are of ``space``."""
    if not isinstance(points, Embeddings):
        raise InputError(
            f"{doing}: expected Embeddings, got {type(points).__name__}; wrap arrays in Embeddings(vectors, space.stamp)"
        )
    check_same_space(space.stamp, points.stamp, doing)


def decoder_vectors(space: Space, points: Embeddings, doing: str, rescale: float | None = None) -> np.ndarray:
    """Vectors as the decoder takes them, float32 ``(n, d)``, each of the norm ``rescale`` where one is given.

    Raises `InputError` where the decoder would silently draw something else: text embeddings, and vectors of length 1 for a
    decoder of raw ones.
    """
    check_points(space, points, doing)
    if points.modality == "text":
        raise InputError(
            f"{doing}: expected image embeddings, got text embeddings; draw image embeddings with space.prior, or "
            "say that you mean it: generate(..., source='text')"
        )
    if rescale is not None and not (np.isfinite(rescale) and rescale > 0):
        raise InputError(f"{doing}: expected rescale, a norm, above 0, got {rescale}")
    unit, norm = points.unit, points.norm
    short = np.flatnonzero(np.isclose(norm, 1, atol=1e-3))
    if rescale is not None:
        norm = np.full(len(points), float(rescale))
    elif space.decoder is not None and space.decoder.takes_raw and len(short):
        raise InputError(
            f"{doing}: the decoder {space.decoder.name!r} takes raw embeddings, got {len(short)} of {len(norm)} vectors of "
            f"length 1 (first rows {short[:5].tolist()}), whose norm was lost; encode again, or pass rescale= the usual "
            "norm of raw ones"
        )
    return (unit * norm[:, None]).astype(np.float32)


def decoder_noise(space: Space, noise: np.ndarray, n: int) -> np.ndarray:
    """x_T ``(n, *latent_shape)`` for the decoder, of ``noise`` of that shape or of one row for all."""
    shape = space.decoder.latent_shape
    noise = np.asarray(noise, dtype=np.float64 if space.encoder.dtype == torch.float64 else np.float32)
    if noise.shape == (1, *shape):
        noise = np.repeat(noise, n, axis=0)
    if noise.shape != (n, *shape) or not np.isfinite(noise).all():
        raise InputError(f"decode: expected finite noise of shape {(n, *shape)} or {(1, *shape)}, got {noise.shape}")
    return noise


def text_points(space: Space, texts) -> Embeddings:
    """Text embeddings of texts, or those given, as the prior takes them.

    A prior that reads texts sees nothing of the vectors, so embeddings must be what their names say.
    """
    points = texts if isinstance(texts, Embeddings) else space.encode_texts(texts)
    check_points(space, points, "prior")
    if points.modality != "text":
        raise InputError(f"prior: expected text embeddings, got {points.modality} embeddings; encode the texts first")
    if space.prior_model.reads_texts and points is texts:
        _check_named_by_texts(space, points)
    return points


def _check_named_by_texts(space: Space, points: Embeddings) -> None:
    blank = [name for name in points.names or () if not name.strip()]
    cosine = 0.0 if blank else np.einsum("nd,nd->n", space.encode_texts(points.names or ()).unit, points.unit).min()
    if cosine < 0.99:
        raise InputError(
            f"prior: expected text embeddings named by their texts, which this prior reads, got names such as "
            f"{points.names[0]!r} whose own embeddings lie elsewhere; pass the texts, or Embeddings(names=texts)"
        )


def check_guidance(doing: str, guidance_scale: float) -> None:
    if not (np.isfinite(guidance_scale) and guidance_scale >= 0):
        raise InputError(
            f"{doing}: expected a finite guidance_scale, 1 for none and 0 for no condition, got {guidance_scale}"
        )
