"""The manipulations of DALL-E 2 (Ramesh et al. 2022, arXiv 2204.06125, sections 3 and 4) on any space.

Each takes the space first, then points, then options, and returns `Pictures`. A point is an image (path,
PIL, array), the `Code` it was inverted to, `Embeddings` of one row, or, in a space with a prior, a text.
Images and codes have an x_T of their own; for the others it is drawn from the seed. A string is a path or a text by
the rule of `image_or_text`: a ``pathlib.Path`` is always an image, and ``space.encode_texts(...)`` always a text. The
provenance names every input with a digest (`results.input_of`).

``num_inference_steps`` and ``guidance_scale`` are the sampler's, for inversion and decoding alike. When None, the steps are
those of a code among the points, else the space's default. Where x_T is drawn, guidance is the decoder's own
(`Space.guidance_scale`) and x_0 is clipped as the checkpoint's own sampler does. Where an x_T is inverted, guidance is that of
a code among the points, else 1, and nothing is clipped, for a clipped step has no inverse. The provenance says which. Guidance
above 1 shows z more sharply and varies less; inverting under it takes twice the evaluations, and may not converge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from PIL import Image

from clipspace.errors import InputError, check_count, shortened
from clipspace.points import sphere
from clipspace.points.code import Code
from clipspace.points.embeddings import Embeddings, check_same_space, concatenate
from clipspace.points.pca import PCA
from clipspace.results.pictures import Pictures
from clipspace.results.provenance import input_of, provenance
from clipspace.seeds import child_seed
from clipspace.sources.image_or_text import is_text
from clipspace.sources.images import list_images, read_image

if TYPE_CHECKING:
    from clipspace.space import Space


class _Point(NamedTuple):
    """An image embedding, what it was made of, and where its x_T comes from: a code, an image, or (neither) the seed."""

    embeddings: Embeddings
    made_of: dict[str, Any]
    image: Image.Image | None = None
    code: Code | None = None

    @property
    def inverts(self) -> bool:
        """Whether its x_T is that of an image, and not drawn."""
        return self.image is not None or self.code is not None


def invert(
    space: Space,
    images,
    *,
    num_inference_steps: int | None = None,
    guidance_scale: float = 1.0,
) -> Code:
    """The codes (z_i, x_T) of images, from which the decoder draws them again (section 3): `Space.invert` as a verb.

    One code a row, in the order of ``images``. Decode it with ``space.decode(code.embeddings, **code.settings)``.
    """
    return space.invert(images, num_inference_steps=num_inference_steps, guidance_scale=guidance_scale)


def variations(
    space: Space,
    image,
    *,
    n: int = 8,
    eta: float = 1.0,
    seed: int = 0,
    num_inference_steps: int | None = None,
    guidance_scale: float | None = None,
) -> Pictures:
    """``n`` images that share an embedding: what stays was in z_i, what changes was not (section 3.1, figure 3).

    From the code (z_i, x_T) of an image, DDIM with ``eta`` > 0; the first column is the reconstruction
    at ``eta`` = 0. Of a text or an embedding, which have no x_T, the noise is drawn from ``seed``. The provenance's
    ``seeds`` are the seed and the row of each sample's own generator, so the i-th is the same whatever ``n``.
    """
    check_count("n", n)
    point = _point(space, image, seed)
    sampling = _sampling(space, [point], num_inference_steps, guidance_scale, drawn=not point.inverts)
    noise = _noise(space, point, seed, sampling)
    first = space.decode(point.embeddings, noise=noise, **sampling)
    points = concatenate([point.embeddings] * n)
    others = space.decode(points, noise=noise, eta=eta, seed=seed, **sampling)
    options = {"n": n, "eta": eta, "seed": seed, **sampling}
    return Pictures.of(
        [[*first, *others]],
        concatenate([point.embeddings, points]),
        provenance("variations", space, inputs=[point.made_of], seeds=[[seed, i] for i in range(n)], **options),
        column_labels=["eta = 0", *[f"eta = {eta:g}"] * n],
    )


def interpolate(
    space: Space,
    *keyframes,
    steps: int = 7,
    noise: Literal["inverted", "fixed"] = "inverted",
    spacing: Literal["keyframes", "angle"] = "keyframes",
    seed: int = 0,
    num_inference_steps: int | None = None,
    guidance_scale: float | None = None,
) -> Pictures:
    """Images on the great circle between two keyframes or more, ``steps`` from each to the next (section 3.2).

    ``noise="inverted"`` moves x_T between the inversions as well, so that every keyframe is reproduced;
    ``"fixed"`` draws one x_T from ``seed`` for all, as in figure 4, and reproduces none.

    ``spacing="keyframes"`` divides each leg alike, so that every keyframe is among the images. ``"angle"`` divides
    the whole path of z: as many images at one speed, for a video; keyframes between the ends fall between two of them.
    """
    if len(keyframes) < 2:
        raise InputError(f"interpolate: expected at least two keyframes, got {len(keyframes)}")
    check_count("steps", steps, least=2)
    if noise not in ("inverted", "fixed"):
        raise InputError(f"interpolate: expected noise 'inverted' or 'fixed', got {noise!r}")
    if spacing not in ("keyframes", "angle"):
        raise InputError(f"interpolate: expected spacing 'keyframes' or 'angle', got {spacing!r}")
    seeds = _keyframe_seeds(seed, len(keyframes))
    points = [_point(space, keyframe, own) for keyframe, own in zip(keyframes, seeds, strict=True)]
    drawn = noise == "fixed" or not any(point.inverts for point in points)
    sampling = _sampling(space, points, num_inference_steps, guidance_scale, drawn=drawn)
    vectors = np.concatenate([p.embeddings.vectors for p in points])
    n = (len(points) - 1) * (steps - 1) + 1
    positions = sphere.evenly(vectors, n) if spacing == "angle" else np.linspace(0, len(points) - 1, n)
    path = sphere.along(vectors, positions)
    if noise == "fixed":
        x_T = space.noise(1, seed=seed)
    else:
        ends = [_noise(space, point, own, sampling) for point, own in zip(points, seeds, strict=True)]
        flat = np.concatenate(ends).reshape(len(points), -1)
        x_T = sphere.along(flat, positions).reshape(-1, *ends[0].shape[1:])
    embeddings = Embeddings(path.astype(np.float32), space.stamp, "image")
    images = space.decode(embeddings, noise=x_T, **sampling)
    options = {"steps": steps, "noise": noise, "spacing": spacing, "seed": seed}
    return Pictures.of(
        [images],
        embeddings,
        provenance("interpolate", space, inputs=[point.made_of for point in points], **options, **sampling),
        column_labels=[f"{position:.2f}" for position in positions],
    )


def blend(space: Space, items: Sequence, weights: Sequence[float] | None = None, *, seed: int = 0) -> Embeddings:
    """One point between images, texts and embeddings: their weighted mean on the sphere, ready to decode.

    Texts become image embeddings through the prior, each drawn from a seed of its own that depends on ``seed`` and on
    its place. The column ``made_of`` says what each item was, with that seed, ``weights`` what it counted, and
    ``inputs`` its name and digest. Of two items it is the great circle of `interpolate`.
    """
    if not items:
        raise InputError("blend: expected at least one item, got none")
    seeds = _keyframe_seeds(seed, len(items))
    points = [_point(space, item, own) for item, own in zip(items, seeds, strict=True)]
    vectors = np.concatenate([point.embeddings.vectors for point in points])
    weights = [1.0] * len(points) if weights is None else list(weights)
    middle = sphere.mean(vectors, np.asarray(weights, dtype=float))
    made_of = [_kind(space, *each) for each in zip(items, points, seeds, strict=True)]
    columns = {"made_of": [made_of], "weights": [weights], "inputs": [[point.made_of for point in points]]}
    return Embeddings(middle[None].astype(np.float32), space.stamp, "image", ["blend"], columns)


def text_diff(
    space: Space,
    image,
    before: str | None,
    after: str,
    *,
    theta: float = 0.35,
    steps: int = 7,
    seed: int = 0,
    num_inference_steps: int | None = None,
    guidance_scale: float | None = None,
    judge: Space | None = None,
) -> Pictures:
    """An image moved towards what ``after`` says and ``before`` does not (section 3.3, figure 5).

    z_d = unit(z_t - z_t0), and z_i moves along slerp(z_i, z_d, .) from 0 to ``theta`` of the angle between
    them, x_T held at the inversion, so the first image is the reconstruction. ``before=None`` moves
    towards ``after`` itself.

    Scores: the cosine to ``after`` of z and of the encoded image, the image's to ``before`` beside it, and that of z to the
    source. The CLIP that steered the image judges it there, which is circular. ``judge`` is a space with another encoder,
    which scores the same images; or with the same encoder and another decoder, whose images of the same z are scored.
    """
    check_count("steps", steps, least=2)
    if not 0 < theta <= 1:
        raise InputError(f"text_diff: expected theta in (0, 1], a fraction of the angle, got {theta}")
    if judge is not None:
        _check_judge(space, judge)
    point = _point(space, image, seed)
    sampling = _sampling(space, [point], num_inference_steps, guidance_scale, drawn=not point.inverts)
    texts = space.encode_texts([after] if before is None else [after, before]).unit
    difference = texts[0] if before is None else texts[0] - texts[1]
    if np.linalg.norm(difference) < 1e-6:
        raise InputError(
            f"text_diff: expected two different texts, got {before!r} and {after!r}, whose embeddings are equal"
        )
    start = point.embeddings.vectors[0]
    target = sphere.unit(difference) * sphere.norm(start)
    vectors = sphere.slerp(start, target, np.linspace(0, theta, steps))
    noise = _noise(space, point, seed, sampling)
    embeddings = Embeddings(vectors.astype(np.float32), space.stamp, "image")
    images = space.decode(embeddings, noise=noise, **sampling)
    scores = {"cosine to after": embeddings.unit @ texts[0], **_to_texts(space, images, before, after)}
    scores["cosine to the source"] = embeddings.unit @ sphere.unit(start)
    if judge is not None:
        shown = images if judge.stamp != space.stamp else judge.decode(embeddings, seed=seed)
        scores |= {f"judge: {name}": values for name, values in _to_texts(judge, shown, before, after).items()}
    inputs = [point.made_of, *(input_of(text) for text in (before, after) if text is not None)]
    options = {"before": before, "after": after, "theta": theta, "steps": steps, "seed": seed}
    options |= {} if judge is None else {"judge": judge.name}
    return Pictures.of(
        [images],
        embeddings,
        provenance("text_diff", space, inputs=inputs, **options, **sampling),
        column_labels=[f"{t:.2f}" for t in np.linspace(0, theta, steps)],
        scores={name: values[None] for name, values in scores.items()},
    )


def reconstruct(
    space: Space,
    images,
    pca: PCA,
    *,
    components: Sequence[int] = (20, 30, 40, 80, 120, 160, 200, 320),
    seed: int = 0,
    num_inference_steps: int | None = None,
    guidance_scale: float | None = None,
) -> Pictures:
    """Images decoded from ever more principal components of their embeddings (section 4, figure 7).

    ``pca`` is fitted on unit vectors of the same space. Every row keeps one x_T, drawn from ``seed``;
    the last column is the source. Counts beyond those of ``pca`` are left out. Scores: the cosine of what is decoded to the
    full embedding, beside that of the mean of the PCA alone, which no component takes part in.
    """
    kept = [k for k in components if 1 <= k <= pca.n_components_]
    if pca.stamp_ is not None:
        check_same_space(space.stamp, pca.stamp_, "reconstruct")
    gathered = pca.moments_
    length = np.sqrt(np.trace(gathered.scatter) / gathered.n + gathered.mean @ gathered.mean)
    if not np.isclose(length, 1, atol=0.01):
        raise InputError(
            f"reconstruct: expected a PCA of unit vectors, got one of vectors about {length:.3g} long; fit it on "
            "directions, as PCA() does where it is not told normalize=False"
        )
    if not kept:
        raise InputError(f"reconstruct: expected components from 1 to {pca.n_components_}, got {shortened(components)}")
    sampling = _sampling(space, [], num_inference_steps, guidance_scale, drawn=True)
    listed, _ = list_images(images)
    sources = [read_image(one) for one in listed]
    points = space.encode_images(sources)
    coordinates = pca.transform(points.unit)
    ladder = np.stack([sphere.unit(pca.inverse_transform(coordinates[:, :k])) for k in kept], axis=1)
    vectors = ladder * points.norm[:, None, None]
    embeddings = Embeddings(vectors.reshape(-1, points.dim).astype(np.float32), space.stamp, "image")
    noise = np.repeat(space.noise(1, seed=seed), len(embeddings), axis=0)
    decoded = space.decode(embeddings, noise=noise, **sampling)
    width, mean = len(kept), pca.mean_ / max(np.linalg.norm(pca.mean_), 1e-12)
    inputs = [input_of(one, source) for one, source in zip(listed, sources, strict=True)]
    return Pictures.of(
        [[*decoded[i * width : (i + 1) * width], source] for i, source in enumerate(sources)],
        embeddings,
        provenance("reconstruct", space, inputs=inputs, components=kept, seed=seed, **sampling),
        column_labels=[*map(str, kept), "source"],
        scores={
            "cosine to the full embedding": np.einsum("nkd,nd->nk", ladder, points.unit),
            "cosine of the mean alone": np.repeat((points.unit @ mean)[:, None], width, axis=1),
        },
    )


def generate(
    space: Space,
    texts: str | Sequence[str],
    *,
    n: int = 4,
    source: Literal["prior", "text", "none"] = "prior",
    seed: int = 0,
    num_inference_steps: int | None = None,
    guidance_scale: float | None = None,
) -> Pictures:
    """Images of texts: a row of ``n`` for each, by the prior and then the decoder (section 2; figure 8).

    ``source="text"`` feeds the text embedding itself to the decoder, ``"none"`` its null condition, whatever
    the text: the conditions that figure 8 compares, for a decoder that takes no caption.
    """
    check_count("n", n)
    sampling = _sampling(space, [], num_inference_steps, guidance_scale, drawn=True)
    listed = [texts] if isinstance(texts, str) else list(texts)
    points = space.encode_texts(listed)
    repeated = points[np.repeat(np.arange(len(points)), n)]
    prior: dict[str, Any] = {}
    if source == "prior":
        prior = {"prior_steps": space.prior_steps, "prior_guidance_scale": space.prior_guidance_scale}
        repeated = space.prior(repeated, seed=seed)
    elif source not in ("text", "none"):
        raise InputError(f"generate: expected source 'prior', 'text' or 'none', got {source!r}")
    else:
        repeated = replace(repeated, modality="image")
    if source == "none":
        sampling["guidance_scale"] = 0.0
    images = space.decode(repeated, seed=seed, **sampling)
    return Pictures.of(
        [images[i * n : (i + 1) * n] for i in range(len(listed))],
        repeated,
        provenance(
            "generate",
            space,
            inputs=[input_of(text) for text in listed],
            texts=listed,
            n=n,
            source=source,
            seed=seed,
            **sampling,
            **prior,
        ),
        row_labels=listed,
    )


def _point(space: Space, item, seed: int) -> _Point:
    """What a caller may hand over as one point. A string is a path or a text; see `is_text`."""
    if isinstance(item, Code):
        check_same_space(space.stamp, item.embeddings.stamp, space.name)
        return _Point(_only(item.embeddings), input_of(item), code=item)
    if isinstance(item, Embeddings):
        check_same_space(space.stamp, item.stamp, space.name)
        point = _only(item)
        return _Point(space.prior(point, seed=seed) if item.modality == "text" else point, input_of(item))
    if is_text(item):
        return _Point(space.prior(str(item), seed=seed), input_of(item))
    image = read_image(item)
    return _Point(space.encode_images(image), input_of(item, image), image=image)


def _keyframe_seeds(seed: int, n: int) -> list[int]:
    """A seed for each keyframe, shared with no other place and no other ``seed``."""
    return [child_seed(seed, "keyframe", i) for i in range(n)]


def _check_judge(space: Space, judge: Space) -> None:
    """A judge has another encoder, or another decoder; another prior makes no judge."""
    if judge.stamp != space.stamp:
        return
    a, b = space.weights.get("decoder"), judge.weights.get("decoder")
    same = judge.decoder is None or judge.decoder is space.decoder
    if same or (a is not None and a == b):
        raise InputError(
            "text_diff: expected a judge with another encoder or another decoder, got "
            f"{'its encoder alone' if judge.decoder is None else 'the space itself'}"
        )


def _to_texts(space: Space, images: Sequence, before: str | None, after: str) -> dict[str, np.ndarray]:
    """Cosines of encoded images to ``after`` and, where it is given, to ``before``."""
    found = space.encode_images(images).unit @ space.encode_texts([after] if before is None else [after, before]).unit.T
    return {
        f"cosine of the image to {name}": found[:, k] for k, name in enumerate(("after", "before")[: found.shape[1]])
    }


def _kind(space: Space, item, point: _Point, seed: int) -> str:
    """What an item was: an image, an embedding, or a text that a prior made an image embedding of."""
    if isinstance(item, (Embeddings, Code)) and getattr(item, "modality", "image") != "text":
        return "embedding"
    if point.embeddings.modality == "prior":
        return f"{point.embeddings.names[0]!r} by the prior of {space.prior_model.facts.name}, seed {seed}"
    return "image"


def _only(points: Embeddings) -> Embeddings:
    if len(points) != 1:
        raise InputError(f"expected one point, got {len(points)}; pick a row, embeddings[i]")
    return points


def _sampling(
    space: Space,
    points: Sequence[_Point],
    num_inference_steps: int | None,
    guidance_scale: float | None,
    *,
    drawn: bool,
) -> dict[str, Any]:
    """What was asked for; else what the codes among the points were inverted with; else the space's default.

    Where x_T is ``drawn`` and not inverted, guidance and clipping are the decoder's own.
    """
    codes = [point.code for point in points if point.code is not None]
    if num_inference_steps is None:
        num_inference_steps = codes[0].num_inference_steps if codes else space.num_inference_steps
    if guidance_scale is None and drawn:
        guidance_scale = space.guidance_scale
    elif guidance_scale is None:
        guidance_scale = codes[0].guidance_scale if codes else 1.0
    return {"num_inference_steps": num_inference_steps, "guidance_scale": guidance_scale, "clip_sample": drawn}


def _noise(space: Space, point: _Point, seed: int, sampling: dict[str, Any]) -> np.ndarray:
    """x_T of one point, ``(1, *latent_shape)``. A code's holds only under the sampling that it was inverted with."""
    inverted_with = {name: sampling[name] for name in ("num_inference_steps", "guidance_scale")}
    if point.code is not None:
        for name, wanted in inverted_with.items():
            if (found := getattr(point.code, name)) != wanted:
                raise InputError(
                    f"expected a code inverted with {name}={wanted}, got one with {found}; pass its own {name}, or "
                    "invert again"
                )
        made_for, here = point.code.decoder, space.weights.get("decoder")
        if made_for and here and made_for != here:
            raise InputError(
                f"expected a code of this decoder, whose weights are {here}, got one of weights {made_for}; invert again"
            )
        return point.code.noise
    if point.image is None:
        return space.noise(1, seed=seed)
    from clipspace.space.familiarity import unfamiliarity, warn_unfamiliar  # brings torch

    noise = space.invert(point.image, embeddings=point.embeddings, **inverted_with).noise
    warn_unfamiliar("decode", space, unfamiliarity(space, [point.image], point.embeddings, seed=seed), stacklevel=3)
    return noise
