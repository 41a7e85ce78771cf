"""`Space`: an encoder and, where there is one, a decoder and a prior. The only user of models."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from clipspace import diffusion
from clipspace.codes import Code
from clipspace.embeddings import Embeddings, Stamp, check_same_space
from clipspace.errors import CapabilityError, ConvergenceWarning, InputError, SpaceMismatchError
from clipspace.images import read_images

if TYPE_CHECKING:
    from clipspace.models.clip import Encoder
    from clipspace.models.decoder import PixelDecoder
    from clipspace.models.prior import Prior

STEPS = 50
CONVERGED = 1e-3
"""Residual of a step, in units of the image, above which an inversion warns."""
_ENCODE_BATCH = 64
_DECODE_BATCH = 16


@dataclass(frozen=True, eq=False)
class Space:
    """One embedding space to work in. Get one from `load_space`.

    PIL images and NumPy arrays go in and come out; torch stays inside.
    """

    name: str
    encoder: Encoder
    decoder: PixelDecoder | None = None
    prior_model: Prior | None = None

    @property
    def stamp(self) -> Stamp:
        """Which space this is; carried by all embeddings that come out of it."""
        return self.encoder.stamp

    @property
    def device(self) -> torch.device:
        return self.encoder.device

    def encode_images(self, images, *, batch_size: int = _ENCODE_BATCH) -> Embeddings:
        """Raw image embeddings of one image or a sequence (paths, PIL, arrays; see `images.read_image`)."""
        pictures, names = read_images(images)
        chunks = [self.encoder.images(pictures[rows]) for rows in _slices(len(pictures), batch_size, "encode images")]
        return self._embeddings(chunks, "image", names)

    def encode_features(self, images, *, batch_size: int = _ENCODE_BATCH) -> Embeddings:
        """What the encoder holds of images before its projection, for probes; no points of this space.

        They carry a stamp of their own, so nothing mixes them with embeddings. Raises `CapabilityError` where
        an encoder has no projection apart.
        """
        pictures, names = read_images(images)
        slices = _slices(len(pictures), batch_size, "encode features")
        chunks = [self.encoder.features(pictures[rows]) for rows in slices]
        if not chunks:
            raise InputError("encode: expected at least one image, got none")
        vectors = np.concatenate(chunks)
        stamp = replace(self.stamp, model=f"{self.stamp.model} before its projection", dim=vectors.shape[1])
        return Embeddings(vectors, stamp, "image", names)

    def encode_texts(self, texts: str | Sequence[str], *, batch_size: int = _ENCODE_BATCH) -> Embeddings:
        """Raw text embeddings of one text or a sequence. Empty texts raise; what does not fit is cut with a warning."""
        listed = [texts] if isinstance(texts, str) else list(texts)
        chunks = [self.encoder.texts(listed[rows]) for rows in _slices(len(listed), batch_size, "encode texts")]
        return self._embeddings(chunks, "text", listed)

    def prior(
        self,
        texts: str | Sequence[str] | Embeddings,
        *,
        seed: int = 0,
        num_inference_steps: int = 25,
        guidance_scale: float = 1.0,
        candidates: int = 2,
    ) -> Embeddings:
        """Image embeddings that the prior draws for texts (or for their embeddings).

        Of ``candidates`` draws for each text the one nearest to the text embedding is kept (Ramesh et al.
        2022, section 2.2, draw two). Raises `CapabilityError` where the space has no prior.
        """
        if self.prior_model is None:
            raise CapabilityError(f"prior: the space {self.name!r} has no prior; load one that has, such as 'mini'")
        points = texts if isinstance(texts, Embeddings) else self.encode_texts(texts)
        self._check(points, "prior")
        if points.modality != "text":
            raise InputError(
                f"prior: expected text embeddings, got {points.modality} embeddings; encode the texts first"
            )
        repeated = np.repeat(points.unit, candidates, axis=0)
        rngs = _rngs(seed, len(repeated))
        drawn = diffusion.sample(
            self.prior_model,
            torch.from_numpy(repeated).float(),
            diffusion.draw_noise(self.prior_model.latent_shape, rngs).to(self.device),
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
        )
        vectors = torch.nn.functional.normalize(drawn, dim=-1).cpu().numpy()
        agreement = np.einsum("nd,nd->n", vectors, repeated).reshape(-1, candidates)
        kept = agreement.argmax(axis=1) + np.arange(len(points)) * candidates
        vectors = vectors[kept] * self.prior_model.image_norm
        return Embeddings(vectors, self.stamp, "prior", points.names, {"seed": [seed] * len(points)})

    def decode(
        self,
        embeddings: Embeddings,
        *,
        noise: np.ndarray | None = None,
        seed: int = 0,
        num_inference_steps: int = STEPS,
        guidance_scale: float = 1.0,
        eta: float = 0.0,
        batch_size: int = _DECODE_BATCH,
    ) -> list[Image.Image]:
        """One image for each embedding.

        Parameters
        ----------
        embeddings : points of this space, of any length
        noise : x_T, float array (n, *latent_shape), or (1, ...) to share one; drawn from ``seed`` when None
        seed : of the noise, and of the draws of ``eta``; row i depends on the seed and on i alone
        eta : 0 is deterministic DDIM; above, every step draws fresh noise

        Raises `CapabilityError` without a decoder, `SpaceMismatchError` for embeddings of another space.
        """
        decoder, n = self._decoder("decode"), len(embeddings)
        self._check(embeddings, "decode")
        decoder.schedule.timesteps(num_inference_steps)
        if not 0 <= eta <= 1:
            raise InputError(f"decode: expected eta in [0, 1], got {eta}")
        rngs = _rngs(seed, n)
        x_T = diffusion.draw_noise(decoder.latent_shape, rngs).numpy() if noise is None else self._as_noise(noise, n)
        vectors = (embeddings.unit * embeddings.norm[:, None]).astype(np.float32)
        images: list[Image.Image] = []
        with tqdm(total=_batches(n, batch_size) * num_inference_steps, desc="decode", disable=None, leave=False) as bar:
            for rows in _slices(n, batch_size):
                latents = diffusion.sample(
                    decoder,
                    torch.from_numpy(vectors[rows]),
                    torch.from_numpy(x_T[rows]).to(self.device),
                    num_inference_steps=num_inference_steps,
                    guidance_scale=guidance_scale,
                    eta=eta,
                    rngs=rngs[rows],
                    on_step=bar.update,
                )
                images += decoder.to_images(latents)
        return images

    def invert(
        self,
        images,
        *,
        embeddings: Embeddings | None = None,
        num_inference_steps: int = STEPS,
        guidance_scale: float = 1.0,
        method: Literal["exact", "ddim"] = "exact",
        batch_size: int = _DECODE_BATCH,
    ) -> Code:
        """The bipartite code (z_i, x_T) of images: ``decode(code.embeddings, **code.settings)`` gives them back.

        ``embeddings`` are those of the images, encoded when None. Images are taken at the decoder's
        resolution (centre square). ``method="exact"`` inverts the sampler to float accuracy;
        ``"ddim"`` is the one-step approximation in common use (see `diffusion.invert`).
        """
        decoder = self._decoder("invert")
        pictures, names = read_images(images)
        points = self.encode_images(pictures) if embeddings is None else embeddings
        self._check(points, "invert")
        if len(points) != len(pictures):
            raise InputError(f"invert: expected one embedding for each of {len(pictures)} images, got {len(points)}")
        vectors = (points.unit * points.norm[:, None]).astype(np.float32)
        parts = []
        with tqdm(
            total=_batches(len(points), batch_size) * num_inference_steps, desc="invert", disable=None, leave=False
        ) as bar:
            for rows in _slices(len(points), batch_size):
                parts.append(
                    diffusion.invert(
                        decoder,
                        decoder.to_latents(pictures[rows]),
                        torch.from_numpy(vectors[rows]),
                        num_inference_steps=num_inference_steps,
                        guidance_scale=guidance_scale,
                        method=method,
                        on_step=bar.update,
                    )
                )
        noise, residual, evaluations = (torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True))
        if method == "exact" and residual.max() > CONVERGED:
            rows = np.flatnonzero(residual > CONVERGED).tolist()
            warnings.warn(
                f"invert: images {rows} did not converge (residual up to {residual.max():.1e}), so they will not decode "
                f"to themselves exactly; use more than {num_inference_steps} steps",
                ConvergenceWarning,
                stacklevel=2,
            )
        named = points if embeddings is not None else Embeddings(points.vectors, points.space, "image", names)
        return Code(named, noise, num_inference_steps, guidance_scale, residual, evaluations)

    def noise(self, n: int, *, seed: int = 0) -> np.ndarray:
        """x_T for ``n`` images, float32 ``(n, *latent_shape)``: what `decode` draws for ``seed``."""
        return diffusion.draw_noise(self._decoder("noise").latent_shape, _rngs(seed, n)).numpy()

    def _embeddings(self, chunks: list[np.ndarray], modality: Any, names: list[str]) -> Embeddings:
        if not chunks:
            raise InputError(f"encode: expected at least one {modality}, got none")
        return Embeddings(np.concatenate(chunks), self.stamp, modality, names)

    def _decoder(self, doing: str) -> PixelDecoder:
        if self.decoder is None:
            raise CapabilityError(f"{doing}: the space {self.name!r} has no decoder; load one that has, such as 'mini'")
        return self.decoder

    def _check(self, points: Embeddings, doing: str) -> None:
        if not isinstance(points, Embeddings):
            raise InputError(
                f"{doing}: expected Embeddings, got {type(points).__name__}; wrap arrays in Embeddings(vectors, space.stamp)"
            )
        check_same_space(self.stamp, points.space, doing)

    def _as_noise(self, noise: np.ndarray, n: int) -> np.ndarray:
        shape = self._decoder("decode").latent_shape
        noise = np.asarray(noise, dtype=np.float32)
        if noise.shape == (1, *shape):
            noise = np.repeat(noise, n, axis=0)
        if noise.shape != (n, *shape) or not np.isfinite(noise).all():
            raise InputError(
                f"decode: expected finite noise of shape {(n, *shape)} or {(1, *shape)}, got {noise.shape}"
            )
        return noise


def load_space(
    name: str = "mini",
    *,
    decoder: str | Path | None = None,
    prior: str | Path | None = None,
    device: str | None = None,
    dtype: str = "float32",
) -> Space:
    """Load a space by name: ``"mini"``, or any open_clip id (then without a decoder unless one is given).

    Parameters
    ----------
    name : a name of `clipspace spaces`, or ``"ViT-B-32/openai"``, ``"hf-hub:…"``, ``"local-dir:…"``
    decoder, prior : folders in diffusers' layout that replace, or add to, those of the name
    device : as torch names it; a GPU when there is one
    dtype : "float32", "bfloat16" or "float16"; exact inversion wants float32

    Raises `CheckpointError` for a broken folder, `SpaceMismatchError` for a decoder of another CLIP.

    >>> from clipspace import load_space
    >>> load_space("mini").stamp.dim
    128
    """
    from clipspace.models.catalogue import CATALOGUE
    from clipspace.models.clip import load_encoder

    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if dtype not in ("float32", "bfloat16", "float16"):
        raise InputError(f"load_space: expected dtype 'float32', 'bfloat16' or 'float16', got {dtype!r}")
    how = {"device": place, "dtype": getattr(torch, dtype)}
    known = CATALOGUE.get(name)
    encoder = load_encoder(known.clip if known else name, stamp_name=name, **how)
    decoder = decoder or (known.decoder if known else None)
    prior = prior or (known.prior if known else None)
    parts: dict[str, Any] = {}
    if decoder is not None:
        from clipspace.models.decoder import load_decoder

        parts["decoder"] = load_decoder(Path(decoder), **how)
    if prior is not None:
        from clipspace.models.prior import load_prior

        parts["prior_model"] = load_prior(Path(prior), **how)
    for part, model in parts.items():
        if model.clip_weights != encoder.stamp.weights:
            raise SpaceMismatchError(
                f"load_space: expected a {part.removesuffix('_model')} trained for {encoder.stamp}, got one for weights "
                f"{model.clip_weights[:8]}; give the CLIP it was trained for"
            )
    return Space(name, encoder, **parts)


def _rngs(seed: int, n: int) -> list[np.random.Generator]:
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise InputError(f"seed: expected a non-negative integer, got {seed!r}")
    return [np.random.default_rng([int(seed), i]) for i in range(n)]


def _batches(n: int, batch_size: int) -> int:
    if batch_size < 1:
        raise InputError(f"batch_size: expected at least 1, got {batch_size}")
    return -(-n // batch_size)


def _slices(n: int, batch_size: int, doing: str | None = None) -> Iterator[slice]:
    """Slices of at most ``batch_size`` rows, with a progress bar when ``doing`` names the work."""
    starts = range(0, _batches(n, batch_size) * batch_size, batch_size)
    quiet = doing is None or len(starts) < 2
    for start in starts if quiet else tqdm(starts, desc=doing, disable=None, leave=False):
        yield slice(start, start + batch_size)
