"""Drawing in batches: images by a decoder, image embeddings by a prior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from clipspace.diffusion.sampling import draw_noise
from clipspace.models.contract import Decoder, Encoder, Prior
from clipspace.models.precision import check_finite
from clipspace.points import sphere
from clipspace.points.embeddings import Embeddings
from clipspace.seeds import streams
from clipspace.space.batches import batch_count, batch_slices, within_memory


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
    total = batch_count(len(z), batch_size) * num_inference_steps
    with within_memory("decode", batch_size), tqdm(total=total, desc="decode", disable=None, leave=False) as bar:
        for rows in batch_slices(len(z), batch_size):
            latents = decoder.draw(
                torch.from_numpy(z[rows]),
                torch.from_numpy(x_T[rows]).to(device),
                num_inference_steps=num_inference_steps,
                rngs=rngs[rows],
                on_step=bar.update,
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
        for rows in batch_slices(len(repeated), batch_size, "prior"):
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
