"""Between points: interpolation along the sphere, and blends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from clipspace.errors import InputError, check_count
from clipspace.manipulate.start import Start, noise_of, sampling_of, start_of
from clipspace.points import sphere
from clipspace.points.code import Code
from clipspace.points.embeddings import Embeddings
from clipspace.results.pictures import Pictures
from clipspace.results.provenance import provenance
from clipspace.seeds import child_seed

if TYPE_CHECKING:
    from clipspace.space import Space


def interpolate(
    space: Space,
    *keyframes,
    frames: int = 7,
    noise: Literal["inverted", "fixed"] = "inverted",
    spacing: Literal["keyframes", "angle"] = "keyframes",
    seed: int = 0,
    num_inference_steps: int | None = None,
    guidance_scale: float | None = None,
) -> Pictures:
    """Images on the great circle between two keyframes or more, ``frames`` from each to the next (section 3.2).

    ``noise="inverted"`` also moves x_T, between the inverted noise of the keyframes, so that every keyframe is reproduced;
    ``"fixed"`` draws one x_T from ``seed`` for all images, as in figure 4, and reproduces none.

    ``spacing="keyframes"`` divides each leg into equally many parts, so that every keyframe is among the images. ``"angle"``
    divides the whole path of z into equal angles, for a video of constant speed; inner keyframes then fall between images.
    """
    if len(keyframes) < 2:
        raise InputError(f"interpolate: expected at least two keyframes, got {len(keyframes)}")
    check_count("frames", frames, least=2)
    if noise not in ("inverted", "fixed"):
        raise InputError(f"interpolate: expected noise 'inverted' or 'fixed', got {noise!r}")
    if spacing not in ("keyframes", "angle"):
        raise InputError(f"interpolate: expected spacing 'keyframes' or 'angle', got {spacing!r}")
    seeds = _keyframe_seeds(seed, len(keyframes))
    points = [
        start_of(space, keyframe, keyframe_seed) for keyframe, keyframe_seed in zip(keyframes, seeds, strict=True)
    ]
    draws_noise = noise == "fixed" or not any(point.inverts for point in points)
    sampling = sampling_of(space, points, num_inference_steps, guidance_scale, drawn=draws_noise)
    vectors = np.concatenate([p.embeddings.vectors for p in points])
    n = (len(points) - 1) * (frames - 1) + 1
    positions = sphere.evenly(vectors, n) if spacing == "angle" else np.linspace(0, len(points) - 1, n)
    path = sphere.along(vectors, positions)
    if noise == "fixed":
        x_T = space.noise(1, seed=seed)
    else:
        ends = [
            noise_of(space, point, keyframe_seed, sampling) for point, keyframe_seed in zip(points, seeds, strict=True)
        ]
        flat = np.concatenate(ends).reshape(len(points), -1)
        x_T = sphere.along(flat, positions).reshape(-1, *ends[0].shape[1:])
    embeddings = Embeddings(path.astype(np.float32), space.stamp, "image")
    images = space.decode(embeddings, noise=x_T, **sampling)
    options = {"frames": frames, "noise": noise, "spacing": spacing, "seed": seed}
    return Pictures.of(
        [images],
        embeddings,
        provenance("interpolate", space, inputs=[point.made_of for point in points], **options, **sampling),
        column_labels=[f"{position:.2f}" for position in positions],
    )


def blend(space: Space, items: Sequence, weights: Sequence[float] | None = None, *, seed: int = 0) -> Embeddings:
    """One embedding between images, texts and embeddings: their weighted mean on the sphere, which can be decoded.

    Texts become image embeddings through the prior, each with a seed that depends on ``seed`` and on its position. The column
    ``made_of`` holds the kind and seed of each item, ``weights`` its weight, and ``inputs`` its name and digest. Of two
    items the result is on the great circle of `interpolate`.
    """
    if not items:
        raise InputError("blend: expected at least one item, got none")
    seeds = _keyframe_seeds(seed, len(items))
    points = [start_of(space, item, item_seed) for item, item_seed in zip(items, seeds, strict=True)]
    vectors = np.concatenate([point.embeddings.vectors for point in points])
    weights = [1.0] * len(points) if weights is None else list(weights)
    middle = sphere.mean(vectors, np.asarray(weights, dtype=float))
    made_of = [_kind(space, *source) for source in zip(items, points, seeds, strict=True)]
    columns = {"made_of": [made_of], "weights": [weights], "inputs": [[point.made_of for point in points]]}
    return Embeddings(middle[None].astype(np.float32), space.stamp, "image", ["blend"], columns)


def _keyframe_seeds(seed: int, n: int) -> list[int]:
    """A seed for each keyframe, shared with no other place and no other ``seed``."""
    return [child_seed(seed, "keyframe", i) for i in range(n)]


def _kind(space: Space, item, point: Start, seed: int) -> str:
    """What an item was: an image, an embedding, or a text that a prior made an image embedding of."""
    if isinstance(item, (Embeddings, Code)) and getattr(item, "modality", "image") != "text":
        return "embedding"
    if point.embeddings.modality == "prior":
        return f"{point.embeddings.names[0]!r} by the prior of {space.prior_model.facts.name}, seed {seed}"
    return "image"
