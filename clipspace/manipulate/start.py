"""Where a manipulation starts: one point, its x_T, and how both are sampled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from clipspace.errors import InputError
from clipspace.points.code import Code
from clipspace.points.embeddings import Embeddings, check_same_space
from clipspace.results.provenance import input_of
from clipspace.sources.image_or_text import is_text
from clipspace.sources.images import read_image

if TYPE_CHECKING:
    from clipspace.space import Space


class Start(NamedTuple):
    """An image embedding, what it was made of, and where its x_T comes from: a code, an image, or (neither) the seed."""

    embeddings: Embeddings
    made_of: dict[str, Any]
    image: Image.Image | None = None
    code: Code | None = None

    @property
    def inverts(self) -> bool:
        """Whether its x_T is that of an image, and not drawn."""
        return self.image is not None or self.code is not None


def start_of(space: Space, item, seed: int) -> Start:
    """The start at an image, a text, a `Code` or one embedding. A string is a path or a text; see `is_text`."""
    if isinstance(item, Code):
        check_same_space(space.stamp, item.embeddings.stamp, space.name)
        return Start(_only(item.embeddings), input_of(item), code=item)
    if isinstance(item, Embeddings):
        check_same_space(space.stamp, item.stamp, space.name)
        point = _only(item)
        return Start(space.prior(point, seed=seed) if item.modality == "text" else point, input_of(item))
    if is_text(item):
        return Start(space.prior(str(item), seed=seed), input_of(item))
    image = read_image(item)
    return Start(space.encode_images(image), input_of(item, image), image=image)


def _only(points: Embeddings) -> Embeddings:
    if len(points) != 1:
        raise InputError(f"expected one point, got {len(points)}; pick a row, embeddings[i]")
    return points


def sampling_of(
    space: Space,
    points: Sequence[Start],
    num_inference_steps: int | None,
    guidance_scale: float | None,
    *,
    drawn: bool,
) -> dict[str, Any]:
    """The sampler settings asked for; else those with which the codes were inverted; else the space's default.

    Where x_T is ``drawn`` and not inverted, guidance and clipping are the decoder's own.
    """
    codes = [point.code for point in points if point.code is not None]
    if num_inference_steps is None:
        num_inference_steps = codes[0].num_inference_steps if codes else space.num_inference_steps
    if guidance_scale is None and drawn:
        guidance_scale = space.guidance_scale
    elif guidance_scale is None:
        guidance_scale = codes[0].guidance_scale if codes else space.inversion_guidance_scale
    return {"num_inference_steps": num_inference_steps, "guidance_scale": guidance_scale, "clip_sample": drawn}


def noise_of(space: Space, point: Start, seed: int, sampling: dict[str, Any]) -> np.ndarray:
    """x_T of one point, ``(1, *latent_shape)``. A code's holds only under the sampling that it was inverted with."""
    inverted_with = {name: sampling[name] for name in ("num_inference_steps", "guidance_scale")}
    if point.code is not None:
        for name, expected in inverted_with.items():
            if (of_code := getattr(point.code, name)) != expected:
                raise InputError(
                    f"expected a code inverted with {name}={expected}, got one with {of_code}; pass its own {name}, or "
                    "invert again"
                )
        made_for, decoder = point.code.decoder, space.weights.get("decoder")
        if made_for and decoder and made_for != decoder:
            raise InputError(
                f"expected a code of this decoder, whose weights are {decoder}, got one of weights {made_for}; invert again"
            )
        return point.code.noise
    if point.image is None:
        return space.noise(1, seed=seed)
    from clipspace.space.familiarity import unfamiliarity, warn_unfamiliar  # brings torch

    noise = space.invert(point.image, embeddings=point.embeddings, **inverted_with).noise
    warn_unfamiliar("decode", space, unfamiliarity(space, [point.image], point.embeddings, seed=seed), stacklevel=3)
    return noise
