"""How good a decoder is on rows it was not trained on: what its decodes keep of z, beside controls and a ceiling."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PIL import Image

from clipspace.diffusion.inversion import CONVERGED
from clipspace.measure.bootstrap import bootstrap
from clipspace.measure.reciprocal_rank import chance_reciprocal_rank, reciprocal_ranks
from clipspace.models.contract import Encoder
from clipspace.models.diffusion_decoder import DiffusionDecoder
from clipspace.points import sphere
from clipspace.results.table import Row, scored
from clipspace.seeds import stream
from clipspace.sources.images import SAME, psnr
from clipspace.space.inverting import find_noise
from clipspace.training.showing import drawn, embedded

CANDIDATES = 1000
"""Points among which the rank of a row is taken: itself and others."""
DECODES, SHUFFLED, UNCONDITIONAL, RESIZED = "decodes", "shuffled z", "no z", "images at this resolution"
"""What is measured: decodes of z; the same decodes, each held to another row's z; draws without z; and the ceiling, the
held-out images themselves, at the decoder's resolution."""
CYCLE, RANK, PIXELS = "cycle", "rank of z", "rank of the image"


def held_out_arrays(
    decoder: DiffusionDecoder,
    z: np.ndarray,
    images: np.ndarray,
    *,
    encoder: Encoder | None,
    decodes: int,
    num_inference_steps: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """What `held_out_rows` is computed from, of held-out rows ``z (n, d)`` and ``images`` uint8 ``(n, side, side, 3)``.

    ``taken`` are the positions of the rows that were decoded, ``others`` those of the other candidates. ``decoded`` and
    ``unconditional`` are images, and ``again``, ``unconditional again`` and ``resized again`` the embeddings of decodes, of
    draws without z, and of the images at this resolution.
    """
    order = stream(seed, "rows of the card").permutation(len(z))
    taken, others = np.sort(order[:decodes]), np.sort(order[decodes:][: CANDIDATES - 1])
    options = {"seed": seed, "num_inference_steps": num_inference_steps}
    decoded = drawn(decoder, z[taken], **options)
    unconditional = drawn(decoder, z[taken], guidance_scale=0.0, **options)
    arrays = {
        "taken": taken,
        "others": others,
        "z": np.asarray(z[taken]),
        "other z": np.asarray(z[others]),
        "images": images[taken],
        "other images": images[others],
        "decoded": np.stack([np.asarray(image) for image in decoded]),
        "unconditional": np.stack([np.asarray(image) for image in unconditional]),
    }
    if encoder is not None:
        resized = [Image.fromarray(image) for image in images[taken]]
        for name, some in (("again", decoded), ("unconditional again", unconditional), ("resized again", resized)):
            arrays[name] = embedded(encoder, some)
    return arrays


def held_out_rows(arrays: Mapping[str, np.ndarray], *, seed: int) -> list[Row]:
    """Rows of `scored` by ``score`` and ``of``: *cycle*, *rank of z* where an encoder was given, and *rank of the image*.

    *Cycle* is the cosine between z and the embedding of what was drawn of it; its chance is the mean over unrelated rows.
    *Rank of z* is the mean of 1 / the rank of z among up to `CANDIDATES` held-out rows by cosine to that embedding
    (`reciprocal_ranks`). *Rank of the image* is the same of the image itself, by the cosine of pixels less the mean of the other
    images: it needs no encoder, and z need not say where things are, so it is lower.
    """
    rows = []
    if "again" in arrays:
        z, others = arrays["z"], arrays["other z"]
        by_name = {
            DECODES: (arrays["again"], z),
            SHUFFLED: (np.roll(arrays["again"], 1, axis=0), z),
            UNCONDITIONAL: (arrays["unconditional again"], z),
            RESIZED: (arrays["resized again"], z),
        }
        rows += [cosine_row(CYCLE, name, again, own, seed=seed) for name, (again, own) in by_name.items()]
        rows += [rank_row(RANK, name, again, own, others, seed=seed) for name, (again, own) in by_name.items()]
    centre = arrays["other images"].mean(axis=0, dtype=np.float64)

    def flat(images: np.ndarray) -> np.ndarray:
        return (images - centre).reshape(len(images), -1)

    own, others = flat(arrays["images"]), flat(arrays["other images"])
    decoded = flat(arrays["decoded"])
    shown = {DECODES: decoded, SHUFFLED: np.roll(decoded, 1, axis=0), UNCONDITIONAL: flat(arrays["unconditional"])}
    return rows + [rank_row(PIXELS, name, some, own, others, seed=seed) for name, some in shown.items()]


def inversion_rows(
    decoder: DiffusionDecoder, z: np.ndarray, images: np.ndarray, *, num_inference_steps: int, seed: int
) -> tuple[list[Row], dict[str, np.ndarray]]:
    """How well decodes of inverted noise give held-out images back, in dB, and the statistics of that noise; and both as arrays."""
    pictures = [Image.fromarray(image) for image in images]
    z = np.ascontiguousarray(z, np.float32)
    options = {"num_inference_steps": num_inference_steps, "guidance_scale": 1.0}
    found = find_noise(decoder, pictures, z, dtype=decoder.dtype, method="exact", batch_size=16, **options)
    again = drawn(decoder, z, x_T=found.noise, seed=seed, clip_sample=False, **options)
    quality = np.array([psnr(a, b, most=SAME) for a, b in zip(again, pictures, strict=True)])
    low, high = bootstrap(quality, seed=seed)
    n = len(quality)
    rows = [
        scored(score="inversion, dB", of="mean", value=float(quality.mean()), low=low, high=high, n=n),
        scored(score="inversion, dB", of="worst", value=float(quality.min()), n=n),
        scored(score="inversion, converged", of="share", value=float((found.residual <= CONVERGED).mean()), n=n),
        scored(score="x_T (normal: 0, 1)", of="mean", value=float(found.noise.mean()), chance=0.0, n=n),
        scored(score="x_T (normal: 0, 1)", of="standard deviation", value=float(found.noise.std()), chance=1.0, n=n),
    ]
    return rows, {"inverted noise": found.noise, "inversion dB": quality}


def cosine_row(score: str, of: str, drawn: np.ndarray, z: np.ndarray, *, seed: int) -> Row:
    """The mean cosine of what was drawn for row i to z_i, both ``(n, d)``; chance is that to the z of other rows."""
    cosines = sphere.unit(drawn) @ sphere.unit(z).T
    own = np.diag(cosines)
    unrelated = cosines[~np.eye(len(z), dtype=bool)].mean() if len(z) > 1 else None
    low, high = bootstrap(own, seed=seed)
    chance = unrelated and float(unrelated)
    return scored(score=score, of=of, value=float(own.mean()), chance=chance, low=low, high=high, n=len(z))


def rank_row(
    score: str, of: str, drawn: np.ndarray, own: np.ndarray, others: np.ndarray | None = None, *, seed: int
) -> Row:
    """The mean of `reciprocal_ranks`, with its chance."""
    ranks = reciprocal_ranks(drawn, own, others)
    low, high = bootstrap(ranks, seed=seed)
    chance = chance_reciprocal_rank(len(own) if others is None else len(others) + 1)
    return scored(score=score, of=of, value=float(ranks.mean()), chance=chance, low=low, high=high, n=len(ranks))
