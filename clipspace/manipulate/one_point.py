"""Metamers: images that differ as much as possible while CLIP maps them to nearly one point."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from clipspace.errors import InputError
from clipspace.points.embeddings import Embeddings
from clipspace.results.pictures import Pictures
from clipspace.results.provenance import drawn_with, input_of, provenance
from clipspace.sources.images import list_images, read_image

if TYPE_CHECKING:
    from clipspace.space import Space


def metamers(
    space: Space,
    image,
    *,
    n: int = 32,
    keep: int = 4,
    same: float = 0.9,
    num_inference_steps: int | None = None,
    guidance_scale: float | None = None,
    seed: int = 0,
) -> Pictures:
    """The ``keep`` of ``n`` decodes of one z that differ most in pixels while ``cos(E(D(z)), z) >= same``.

    One row of images, in the order they were chosen (farthest first); scores are the cosine to z and the pixel
    distance to the nearest of the others (root mean square, 0 to 1). CLIP ignores what differs between them.

    Parameters
    ----------
    image : one image, or one embedding
    n, keep : number of decodes of z, and of those to keep; fewer where fewer agree

    Raises `CapabilityError` without a decoder, `InputError` where fewer than two decodes agree (the decoder does not
    close the cycle), and for more than one point.
    """
    if not 2 <= keep <= n:
        raise InputError(f"metamers: expected 2 <= keep <= n, got keep={keep} and n={n}")
    space.noise(1)
    point, made_of = _one_point(space, image)
    sampling = drawn_with(space, num_inference_steps, guidance_scale)
    images = space.decode(point[[0] * n], seed=seed, **sampling)
    cosine = space.encode_images(images).unit @ point.unit[0]
    agree = np.flatnonzero(cosine >= same)
    if len(agree) < 2:
        raise InputError(
            f"metamers: expected two decodes or more with a cosine to z of at least {same}, got {len(agree)} of {n} (best "
            f"{cosine.max():.3f}); the decoder does not bring this z back: lower `same`, or raise n"
        )
    pixels = np.stack([np.asarray(images[i], dtype=np.float32).ravel() / 255 for i in agree])
    distance = np.sqrt([np.mean((pixels - row) ** 2, axis=1, dtype=np.float64) for row in pixels])
    positions = farthest(distance, keep)
    apart = distance[np.ix_(positions, positions)] + np.diag(np.full(len(positions), np.inf))
    rows = agree[positions]
    options = {"n": n, "same": same, "rows": rows.tolist(), **sampling}
    pictures = Pictures.of(
        [[images[i] for i in rows]],
        point[[0] * len(rows)],
        provenance("metamers", space, inputs=[made_of], seed=seed, **options),
        column_labels=[f"cosine {cosine[i]:.2f}" for i in rows],
        scores={"cosine": cosine[None, rows], "pixel distance": apart.min(axis=1)[None]},
        arrays={"agreeing": np.array(len(agree))},
    )
    return replace(pictures, findings=[f"{len(agree)} of {n} decodes have a cosine to z of at least {same:g}."])


def _one_point(space: Space, image) -> tuple[Embeddings, dict[str, Any]]:
    """The embedding of one image, or the one given, and what it was made of."""
    if isinstance(image, Embeddings):
        if len(image) != 1:
            raise InputError(f"metamers: expected one image or embedding, got {len(image)}")
        return image, input_of(image)
    listed, _ = list_images(image)
    if len(listed) != 1:
        raise InputError(f"metamers: expected one image or embedding, got {len(listed)}")
    read = read_image(listed[0])
    return space.encode_images(read), input_of(listed[0], read)


def farthest(distance: np.ndarray, keep: int) -> list[int]:
    """Rows of a distance matrix, farthest apart first: the widest pair, then always the row farthest from those kept.

    >>> farthest(np.abs(np.subtract.outer([0, 1, 5, 9], [0, 1, 5, 9])), 3)
    [0, 3, 2]
    """
    selected = [int(distance.argmax()) // len(distance)]
    while len(selected) < min(keep, len(distance)):
        nearest = distance[:, selected].min(axis=1)
        nearest[selected] = -1
        selected.append(int(nearest.argmax()))
    return selected
