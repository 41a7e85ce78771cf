"""Decoding of embeddings: variations, principal components, texts through the prior; and inversion of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from clipspace.errors import InputError, check_count, shortened
from clipspace.manipulate.start import noise_of, sampling_of, start_of
from clipspace.points import sphere
from clipspace.points.code import Code
from clipspace.points.embeddings import Embeddings, check_same_space, concatenate
from clipspace.points.pca import PCA
from clipspace.results.pictures import Pictures
from clipspace.results.provenance import input_of, provenance
from clipspace.sources.images import list_images, read_image

if TYPE_CHECKING:
    from clipspace.space import Space


def invert(
    space: Space,
    images,
    *,
    num_inference_steps: int | None = None,
    guidance_scale: float | None = None,
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
    """``n`` images that share an embedding: what stays the same was in z_i, what changes was not (section 3.1, figure 3).

    An image is inverted to its code (z_i, x_T) and decoded by DDIM with ``eta`` > 0; the first column is the reconstruction
    with ``eta`` = 0. A text or an embedding has no x_T, so the noise is drawn from ``seed``. Sample i does not depend on
    ``n``; the provenance's ``seeds`` are the seed and row of the generator of each sample.
    """
    check_count("n", n)
    point = start_of(space, image, seed)
    sampling = sampling_of(space, [point], num_inference_steps, guidance_scale, drawn=not point.inverts)
    noise = noise_of(space, point, seed, sampling)
    first = space.decode(point.embeddings, noise=noise, **sampling)
    points = concatenate([point.embeddings] * n)
    samples = space.decode(points, noise=noise, eta=eta, seed=seed, **sampling)
    options = {"n": n, "eta": eta, "seed": seed, **sampling}
    return Pictures.of(
        [[*first, *samples]],
        concatenate([point.embeddings, points]),
        provenance("variations", space, inputs=[point.made_of], seeds=[[seed, i] for i in range(n)], **options),
        column_labels=["eta = 0", *[f"eta = {eta:g}"] * n],
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
    """Images decoded from more and more principal components of their embeddings (section 4, figure 7).

    ``pca`` is fitted on unit vectors of the same space. Every row keeps one x_T, drawn from ``seed``;
    the last column is the source. Counts above the number of components of ``pca`` are left out. Scores: the cosine of the
    truncated embedding to the full one, and as baseline that of the mean of the PCA alone, without any component.
    """
    counts = [k for k in components if 1 <= k <= pca.n_components_]
    if pca.stamp_ is not None:
        check_same_space(space.stamp, pca.stamp_, "reconstruct")
    gathered = pca.moments_
    length = np.sqrt(np.trace(gathered.scatter) / gathered.n + gathered.mean @ gathered.mean)
    if not np.isclose(length, 1, atol=0.01):
        raise InputError(
            f"reconstruct: expected a PCA of unit vectors, got one of vectors about {length:.3g} long; fit it on "
            "directions, as PCA() does where it is not told normalize=False"
        )
    if not counts:
        raise InputError(f"reconstruct: expected components from 1 to {pca.n_components_}, got {shortened(components)}")
    sampling = sampling_of(space, [], num_inference_steps, guidance_scale, drawn=True)
    listed, _ = list_images(images)
    sources = [read_image(image) for image in listed]
    points = space.encode_images(sources)
    coordinates = pca.transform(points.unit)
    ladder = np.stack([sphere.unit(pca.inverse_transform(coordinates[:, :k])) for k in counts], axis=1)
    vectors = ladder * points.norm[:, None, None]
    embeddings = Embeddings(vectors.reshape(-1, points.dim).astype(np.float32), space.stamp, "image")
    noise = np.repeat(space.noise(1, seed=seed), len(embeddings), axis=0)
    decoded = space.decode(embeddings, noise=noise, **sampling)
    width, mean = len(counts), pca.mean_ / max(np.linalg.norm(pca.mean_), 1e-12)
    inputs = [input_of(image, source) for image, source in zip(listed, sources, strict=True)]
    return Pictures.of(
        [[*decoded[i * width : (i + 1) * width], source] for i, source in enumerate(sources)],
        embeddings,
        provenance("reconstruct", space, inputs=inputs, components=counts, seed=seed, **sampling),
        column_labels=[*map(str, counts), "source"],
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
    """Images for texts: a row of ``n`` for each, from the prior and the decoder (section 2; figure 8).

    ``source="text"`` gives the text embedding itself to the decoder, and ``"none"`` no condition: the cases that figure 8
    compares, for a decoder without captions.
    """
    check_count("n", n)
    sampling = sampling_of(space, [], num_inference_steps, guidance_scale, drawn=True)
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
