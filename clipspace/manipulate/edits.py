"""Text diffs: an image moved along a difference of texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from clipspace.errors import InputError, check_count
from clipspace.manipulate.start import noise_of, sampling_of, start_of
from clipspace.points import sphere
from clipspace.points.embeddings import Embeddings
from clipspace.results.pictures import Pictures
from clipspace.results.provenance import input_of, provenance

if TYPE_CHECKING:
    from clipspace.space import Space


def text_diff(
    space: Space,
    image,
    before: str | None,
    after: str,
    *,
    theta: float = 0.35,
    frames: int = 7,
    seed: int = 0,
    num_inference_steps: int | None = None,
    guidance_scale: float | None = None,
    judge: Space | None = None,
) -> Pictures:
    """An image moved towards what ``after`` says and ``before`` does not (section 3.3, figure 5).

    z_d = unit(z_t - z_t0), and z_i moves along slerp(z_i, z_d, .) from 0 to ``theta`` of the angle between
    them, x_T held at the inversion, so the first image is the reconstruction. ``before=None`` moves
    towards ``after`` itself.

    Scores: the cosine of z and of the encoded image to ``after``, the cosine of the encoded image to ``before``, and the cosine
    of z to the source. They are circular, because the CLIP that steered the image judges it. ``judge`` is a space with another
    encoder, which scores the same images; or with the same encoder and another decoder, whose images of the same z are scored.
    """
    check_count("frames", frames, least=2)
    if not 0 < theta <= 1:
        raise InputError(f"text_diff: expected theta in (0, 1], a fraction of the angle, got {theta}")
    if judge is not None:
        check_judge(space, judge)
    point = start_of(space, image, seed)
    sampling = sampling_of(space, [point], num_inference_steps, guidance_scale, drawn=not point.inverts)
    texts = space.encode_texts([after] if before is None else [after, before]).unit
    difference = texts[0] if before is None else texts[0] - texts[1]
    if np.linalg.norm(difference) < 1e-6:
        raise InputError(
            f"text_diff: expected two different texts, got {before!r} and {after!r}, whose embeddings are equal"
        )
    start = point.embeddings.vectors[0]
    target = sphere.unit(difference) * sphere.norm(start)
    vectors = sphere.slerp(start, target, np.linspace(0, theta, frames))
    noise = noise_of(space, point, seed, sampling)
    embeddings = Embeddings(vectors.astype(np.float32), space.stamp, "image")
    images = space.decode(embeddings, noise=noise, **sampling)
    scores = {"cosine to after": embeddings.unit @ texts[0], **_to_texts(space, images, before, after)}
    scores["cosine to the source"] = embeddings.unit @ sphere.unit(start)
    if judge is not None:
        judged_images = images if judge.stamp != space.stamp else judge.decode(embeddings, seed=seed)
        scores |= {f"judge: {name}": values for name, values in _to_texts(judge, judged_images, before, after).items()}
    inputs = [point.made_of, *(input_of(text) for text in (before, after) if text is not None)]
    options = {"before": before, "after": after, "theta": theta, "frames": frames, "seed": seed}
    options |= {} if judge is None else {"judge": judge.name}
    return Pictures.of(
        [images],
        embeddings,
        provenance("text_diff", space, inputs=inputs, **options, **sampling),
        column_labels=[f"{t:.2f}" for t in np.linspace(0, theta, frames)],
        scores={name: values[None] for name, values in scores.items()},
    )


def check_judge(space: Space, judge: Space) -> None:
    """A judge has another encoder, or another decoder; another prior makes no judge."""
    if judge.stamp != space.stamp:
        return
    a, b = space.weights.get("decoder"), judge.weights.get("decoder")
    same_decoder = judge.decoder is None or judge.decoder is space.decoder
    if same_decoder or (a is not None and a == b):
        raise InputError(
            "text_diff: expected a judge with another encoder or another decoder, got "
            f"{'its encoder alone' if judge.decoder is None else 'the space itself'}"
        )


def _to_texts(space: Space, images: Sequence, before: str | None, after: str) -> dict[str, np.ndarray]:
    """Cosines of encoded images to ``after`` and, where it is given, to ``before``."""
    cosines = (
        space.encode_images(images).unit @ space.encode_texts([after] if before is None else [after, before]).unit.T
    )
    return {
        f"cosine of the image to {name}": cosines[:, k]
        for k, name in enumerate(("after", "before")[: cosines.shape[1]])
    }
