"""Drawing in batches: images by a decoder, image embeddings by a prior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from clipspace.diffusion.sampling import draw_noise
from clipspace.models.contract import Decoder, Encoder, Prior
from clipspace.models.precision import check_finite
from clipspace.points import sphere
from clipspace.points.embeddings import Embeddings
from clipspace.seeds import streams
from clipspace.space.batches import batch_slices, batch_steps, within_memory


def draw_images(
    decoder: Decoder,
    z: np.ndarray,
    x_T: np.ndarray,
    *,
    device: torch.device,
    num_inference_steps: int,
    rngs: Sequence[np.random.Generator],
    batch_size: int,
    **options: Any,
) -> list[Image.Image]:
    """One image for each row of ``z`` and ``x_T``; ``options`` are those of `Decoder.draw`."""
    images: list[Image.Image] = []
    batches = batch_steps(len(z), batch_size, "decoding", "images", steps=num_inference_steps)
    with within_memory("decode", batch_size):
        for rows, on_step in batches:
            latents = decoder.draw(
                torch.from_numpy(z[rows]),
                torch.from_numpy(x_T[rows]).to(device),
                num_inference_steps=num_inference_steps,
                rngs=rngs[rows],
                on_step=on_step,
                **options,
            )
            images += decoder.to_images(latents)
    return images


def draw_embeddings(
    prior: Prior,
    points: Embeddings,
    encoder: Encoder,
    *,
    seed: int,
    num_inference_steps: int,
    guidance_scale: float,
    candidates: int,
    batch_size: int,
) -> np.ndarray:
    """Raw image embeddings ``(n, d)`` of text embeddings: of ``candidates`` draws for each the one nearest to the text."""
    texts = [name for name in points.names or () for _ in range(candidates)]
    repeated = np.repeat(points.unit, candidates, axis=0)
    by_candidate = [streams(seed, len(points), f"prior candidate {j}") for j in range(candidates)]
    rngs = [rng for row in zip(*by_candidate, strict=True) for rng in row]
    chunks = []
    with within_memory("prior", batch_size):
        for rows in batch_slices(len(repeated), batch_size, "drawing by the prior", "embeddings"):
            latents = prior.draw(
                prior.inputs(texts[rows], repeated[rows]),
                draw_noise(prior.latent_shape, rngs[rows]).to(encoder.device),
                num_inference_steps=num_inference_steps,
                guidance_scale=guidance_scale,
            )
            check_finite(latents, "prior: embeddings", encoder.dtype)
            chunks.append(prior.to_embeds(latents).cpu().numpy())
    vectors = np.concatenate(chunks)
    agreement = np.einsum("nd,nd->n", sphere.unit(vectors), repeated).reshape(-1, candidates)
    return vectors[agreement.argmax(axis=1) + np.arange(len(points)) * candidates]
