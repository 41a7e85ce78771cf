"""`Space`: an encoder and, where there is one, a decoder and a prior."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from clipspace.diffusion import gradient, sampling
from clipspace.errors import CapabilityError, ConvergenceWarning, InputError
from clipspace.models.contract import check_finite, working_dtype
from clipspace.points import sphere
from clipspace.points.code import Code
from clipspace.points.embeddings import Embeddings, Stamp, check_same_space
from clipspace.reprs import brief
from clipspace.seeds import streams
from clipspace.sequences import in_order
from clipspace.sources.images import list_images, read_image, read_images
from clipspace.space.batches import batch_count, batch_slices, within_memory

if TYPE_CHECKING:
    from clipspace.models.clip import Encoder
    from clipspace.models.contract import ImageDecoder
    from clipspace.models.gradient_decoder import GradientDecoder
    from clipspace.models.prior import EmbeddingPrior, TextPrior

STEPS = 50
"""Of a diffusion decoder, where the caller names no number."""
PRIOR_STEPS = 25
"""Of a prior, where the caller names no number."""
GRADIENT_STEPS = 1500
"""Of the optimisation that stands in where there is no decoder, each one evaluation of the encoder."""
_GRADIENT_LEAST = 300
"""Of the optimisation, below which it warns: 20 steps reach a cosine of 0.74 in the mini space, 300 one of 0.95."""
_RESTARTS_IN_HALF = 1
"""Of a lost inversion in half precision, where what is left is mostly rounding."""
_ENCODE_BATCH = 64
_DECODE_BATCH = 16


@dataclass(frozen=True, eq=False)
class Space:
    """One embedding space to work in. Get one from `load_space`.

    PIL images and NumPy arrays go in and come out; torch stays inside.
    """

    name: str
    encoder: Encoder
    decoder: ImageDecoder | GradientDecoder | None = None
    prior_model: EmbeddingPrior | TextPrior | None = None

    __repr__ = brief

    @property
    def stamp(self) -> Stamp:
        """Which space this is; carried by all embeddings that come out of it."""
        return self.encoder.stamp

    @property
    def device(self) -> torch.device:
        return self.encoder.device

    @cached_property
    def weights(self) -> dict[str, str | None]:
        """Digests of the weights of encoder, decoder and prior, as far as there are some: what a result depends on."""
        from clipspace.models.weights import networks_digest

        parts = {"decoder": self.decoder, "prior": self.prior_model}
        return {"encoder": self.stamp.weights} | {k: networks_digest(v) for k, v in parts.items() if v is not None}

    @property
    def num_inference_steps(self) -> int:
        """Steps that `decode` and `invert` take when told none."""
        return GRADIENT_STEPS if self._optimises else STEPS

    @property
    def guidance_scale(self) -> float:
        """Guidance that `decode` takes where it draws the noise, when told none: what the decoder's authors use."""
        facts = getattr(self.decoder, "facts", None)
        return 1.0 if facts is None else facts.guidance_scale

    @property
    def prior_steps(self) -> int:
        """Steps that `prior` takes when told none."""
        return PRIOR_STEPS

    @property
    def prior_guidance_scale(self) -> float:
        """Guidance that `prior` takes when told none: what the prior's authors use."""
        return 1.0 if self.prior_model is None else self.prior_model.facts.prior_guidance_scale

    def encode_images(self, images, *, batch_size: int = _ENCODE_BATCH, deterministic: bool = False) -> Embeddings:
        """Raw image embeddings of one image or a sequence (paths, PIL, arrays; see `images.read_image`).

        The last bits of a vector, about 1e-6 of its length in float32, depend on the shape of the batch that it was
        computed in. ``deterministic`` pads every batch to ``batch_size``, as `encode` does, so that on the CPU a vector
        is the same to the bit whatever came with it. Raises `PrecisionError` where the encoder overflows its dtype.
        """
        listed, names = list_images(images)
        padded = batch_size if deterministic else None
        chunks = [
            self.encoder.images([read_image(s) for s in listed[rows]], batch_size=padded)
            for rows in batch_slices(len(listed), batch_size, "encode images")
        ]
        return self._embeddings(chunks, "image", names)

    def encode_features(self, images, *, batch_size: int = _ENCODE_BATCH) -> Embeddings:
        """What the encoder holds of images before its projection, for probes; no points of this space.

        They carry a stamp of their own, so nothing mixes them with embeddings. Raises `CapabilityError` where
        an encoder has no projection apart.
        """
        listed, names = list_images(images)
        slices = batch_slices(len(listed), batch_size, "encode features")
        chunks = [self.encoder.features([read_image(s) for s in listed[rows]]) for rows in slices]
        if not chunks:
            raise InputError("encode: expected at least one image, got none")
        vectors = self._finite(np.concatenate(chunks), "encode_features")
        return Embeddings(vectors, replace(self.encoder.features_stamp, dim=vectors.shape[1]), "image", names)

    def encode_texts(self, texts: str | Sequence[str], *, batch_size: int = _ENCODE_BATCH) -> Embeddings:
        """Raw text embeddings of one text or a sequence. Empty texts raise; what does not fit is cut with a warning."""
        listed = [texts] if isinstance(texts, str) else list(in_order(texts, "encode_texts"))
        wrong = [text for text in listed if not isinstance(text, str)]
        if wrong:
            raise InputError(f"encode_texts: expected texts with at least one word, got {wrong[0]!r}, which is no text")
        chunks = [self.encoder.texts(listed[rows]) for rows in batch_slices(len(listed), batch_size, "encode texts")]
        return self._embeddings(chunks, "text", listed)

    def prior(
        self,
        texts: str | Sequence[str] | Embeddings,
        *,
        seed: int = 0,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        candidates: int = 2,
        batch_size: int = _ENCODE_BATCH,
    ) -> Embeddings:
        """Image embeddings that the prior draws for texts, or for their embeddings.

        Most priors read the text itself, so embeddings must be named by the texts that they are of. Of ``candidates``
        draws for each text the one nearest to the text embedding is kept (Ramesh et al. 2022, section 2.2, draw two).
        ``guidance_scale`` is what the prior's authors use when None (4 for those of Kandinsky 2.2 and Karlo, else 1), and each
        step clips the embedding it predicts as their sampler does. Raises `CapabilityError` where the space has no prior,
        `PrecisionError` where it answers with NaN.
        """
        if self.prior_model is None:
            raise CapabilityError(f"prior: the space {self.name!r} has no prior; load one that has, such as 'mini'")
        points = texts if isinstance(texts, Embeddings) else self.encode_texts(texts)
        self._check(points, "prior")
        if points.modality != "text":
            raise InputError(
                f"prior: expected text embeddings, got {points.modality} embeddings; encode the texts first"
            )
        model = self.prior_model
        if guidance_scale is None:
            guidance_scale = self.prior_guidance_scale
        _check_scale("prior", guidance_scale)
        steps = self.prior_steps if num_inference_steps is None else num_inference_steps
        if model.reads_texts and points is texts:
            self._check_named_by_texts(points)
        texts_in = [name for name in points.names or () for _ in range(candidates)]
        repeated = np.repeat(points.unit, candidates, axis=0)
        drawn_by = [streams(seed, len(points), f"prior candidate {j}") for j in range(candidates)]
        rngs, chunks = [rng for row in zip(*drawn_by, strict=True) for rng in row], []
        with within_memory("prior", batch_size):
            for rows in batch_slices(len(repeated), batch_size, "prior"):
                drawn = sampling.sample(
                    model,
                    model.inputs(texts_in[rows], repeated[rows]),
                    sampling.draw_noise(model.latent_shape, rngs[rows]).to(self.device),
                    num_inference_steps=steps,
                    guidance_scale=guidance_scale,
                    clip_sample=True,
                )
                check_finite(drawn, "prior: embeddings", self.encoder.dtype)
                chunks.append(model.to_embeds(drawn).cpu().numpy())
        vectors = np.concatenate(chunks)
        agreement = np.einsum("nd,nd->n", sphere.unit(vectors), repeated).reshape(-1, candidates)
        kept = agreement.argmax(axis=1) + np.arange(len(points)) * candidates
        return Embeddings(vectors[kept], self.stamp, "prior", points.names, {"seed": [seed] * len(points)})

    def decode(
        self,
        embeddings: Embeddings,
        *,
        noise: np.ndarray | None = None,
        seed: int = 0,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        eta: float = 0.0,
        clip_sample: bool | None = None,
        rescale: float | None = None,
        batch_size: int = _DECODE_BATCH,
    ) -> list[Image.Image]:
        """One image for each embedding.

        Parameters
        ----------
        embeddings : points of this space, of any length
        noise : x_T, float array (n, *latent_shape), or (1, ...) to share one; drawn from ``seed`` when None
        seed : of x_T, and of the draws of ``eta``, which are independent; row i depends on the seed and on i alone
        num_inference_steps : of the sampler; `Space.num_inference_steps` when None
        guidance_scale : of classifier-free guidance (Ho & Salimans 2022): 1 is none, 0 leaves the condition out; when None, that
            of the decoder's authors (`Space.guidance_scale`) where the noise is drawn, and 1 where it is given
        eta : 0 is deterministic DDIM; above, every step draws fresh noise
        clip_sample : clip the x_0 that every step predicts, where the checkpoint's own sampler does; when None, where the noise
            is drawn and not where it is given, for `invert` finds the noise of unclipped steps: clipping has no inverse
        rescale : norm to give every vector, where their own was lost (unit vectors for a decoder of raw ones)

        Raises `CapabilityError` without a decoder, `SpaceMismatchError` for embeddings of another space,
        `InputError` for text embeddings (`prior` makes image embeddings of them) and for unit vectors where the
        decoder takes raw ones, `PrecisionError` where its networks answer with NaN, as some do in float16.
        ``decoder="gradient"`` has no guidance, and does not use eta and clip_sample.
        """
        decoder, n = self._decoder("decode"), len(embeddings)
        vectors = self._vectors(embeddings, "decode", rescale)
        steps = self._steps(num_inference_steps)
        if not 0 <= eta <= 1:
            raise InputError(f"decode: expected eta in [0, 1], got {eta}")
        if rescale is not None and not (np.isfinite(rescale) and rescale > 0):
            raise InputError(f"decode: expected rescale, a norm, above 0, got {rescale}")
        drawing = noise is None
        if guidance_scale is None:
            guidance_scale = self.guidance_scale if drawing else 1.0
        clip_sample = drawing if clip_sample is None else clip_sample
        _check_scale("decode", guidance_scale)
        if self._optimises and guidance_scale != 1:
            raise CapabilityError(
                f"decode: a gradient decoder has no guidance, got guidance_scale={guidance_scale}; leave it at 1, or load a "
                "space with a diffusion decoder"
            )
        rngs = streams(seed, n, "steps")
        x_T = self.noise(n, seed=seed) if drawing else self._as_noise(noise, n)
        of_diffusion = {"guidance_scale": guidance_scale, "eta": eta, "clip_sample": clip_sample}
        of_diffusion = {} if self._optimises else of_diffusion
        call = gradient.optimise if self._optimises else sampling.sample
        images: list[Image.Image] = []
        total = batch_count(n, batch_size) * steps
        with within_memory("decode", batch_size), tqdm(total=total, desc="decode", disable=None, leave=False) as bar:
            for rows in batch_slices(n, batch_size):
                latents = call(
                    decoder,
                    torch.from_numpy(vectors[rows]),
                    torch.from_numpy(x_T[rows]).to(self.device),
                    num_inference_steps=steps,
                    rngs=rngs[rows],
                    on_step=bar.update,
                    **of_diffusion,
                )
                images += decoder.to_images(latents)
        return images

    def invert(
        self,
        images,
        *,
        embeddings: Embeddings | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float = 1.0,
        method: Literal["exact", "ddim"] = "exact",
        batch_size: int = _DECODE_BATCH,
    ) -> Code:
        """The bipartite code (z_i, x_T) of images: ``decode(code.embeddings, **code.settings)`` gives them back.

        ``embeddings`` are those of the images, encoded when None. Images are taken at the decoder's
        resolution (centre square). ``method="exact"`` inverts the sampler to float accuracy;
        ``"ddim"`` is the one-step approximation in common use (see `sampling.invert`). Both are of steps that do not clip x_0,
        whatever the checkpoint's own sampler does, and at guidance 1 unless another is asked for.

        Warns (`ConvergenceWarning`) of images whose code decodes to something else. In float32 that is one in a hundred
        of the mini space, drawn so unlike what the decoder draws that rounding decides the picture; a space loaded with
        ``dtype="float64"`` inverts and decodes them too, at four times the cost on a CPU.
        """
        decoder, steps = self._decoder("invert"), self._steps(num_inference_steps)
        if self._optimises:
            raise CapabilityError(
                "invert: a gradient decoder has no x_T to find; load a space with a diffusion decoder"
            )
        _check_scale("invert", guidance_scale)
        pictures, names = read_images(images)
        points = self.encode_images(pictures) if embeddings is None else embeddings
        vectors = self._vectors(points, "invert")
        if len(points) != len(pictures):
            raise InputError(f"invert: expected one embedding for each of {len(pictures)} images, got {len(points)}")
        parts, dtype = [], self.encoder.dtype
        total = batch_count(len(points), batch_size) * steps
        with within_memory("invert", batch_size), tqdm(total=total, desc="invert", disable=None, leave=False) as bar:
            for rows in batch_slices(len(points), batch_size):
                latents = decoder.to_latents(pictures[rows]).to(working_dtype(dtype))
                check_finite(latents, "invert: latents of images", dtype)
                parts.append(
                    sampling.invert(
                        decoder,
                        latents,
                        torch.from_numpy(vectors[rows]),
                        num_inference_steps=steps,
                        guidance_scale=guidance_scale,
                        method=method,
                        restarts=_RESTARTS_IN_HALF if dtype.itemsize < 4 else sampling.RESTARTS,
                        on_step=bar.update,
                    )
                )
        noise, residual, evaluations = (torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True))
        rows = np.flatnonzero(~(residual <= sampling.CONVERGED)).tolist()  # NaN did not converge either
        if rows:
            warnings.warn(
                f"invert: images {rows} did not converge: they decode to themselves but for errors of up to "
                f"{np.nan_to_num(residual, nan=np.inf).max():.1e} (root mean square, of latents); {_finer(dtype)}",
                ConvergenceWarning,
                stacklevel=2,
            )
        named = points if embeddings is not None else Embeddings(points.vectors, points.stamp, "image", names)
        return Code(named, noise, steps, guidance_scale, residual, evaluations, self.weights["decoder"])

    def noise(self, n: int, *, seed: int = 0) -> np.ndarray:
        """x_T for ``n`` images, float32 ``(n, *latent_shape)``: what `decode` draws for ``seed``."""
        return sampling.draw_noise(self._decoder("noise").latent_shape, streams(seed, n, "noise")).numpy()

    def _embeddings(self, chunks: list[np.ndarray], modality: Any, names: list[str]) -> Embeddings:
        if not chunks:
            raise InputError(f"encode: expected at least one {modality}, got none")
        vectors = self._finite(np.concatenate(chunks), f"encode_{modality}s")
        return Embeddings(vectors, self.stamp, modality, names)

    def _finite(self, vectors: np.ndarray, doing: str) -> np.ndarray:
        """Vectors as they are. Raises `PrecisionError` where some are not finite: the encoder overflows its type."""
        check_finite(torch.from_numpy(vectors), f"{doing}: vectors", self.encoder.dtype)
        return vectors

    @property
    def _optimises(self) -> bool:
        return self.decoder is not None and not hasattr(self.decoder, "schedule")

    def _decoder(self, doing: str) -> Any:
        if self.decoder is None:
            raise CapabilityError(
                f"{doing}: the space {self.name!r} has no decoder; load one that has, such as 'mini', or "
                "decoder='gradient', which works for any CLIP"
            )
        return self.decoder

    def _steps(self, num_inference_steps: int | None) -> int:
        steps = self.num_inference_steps if num_inference_steps is None else num_inference_steps
        if self._optimises:
            if not isinstance(steps, (int, np.integer)) or steps < 1:
                raise InputError(f"num_inference_steps: expected a positive integer, got {steps!r}")
            if steps < _GRADIENT_LEAST:
                warnings.warn(
                    f"decode: {steps} steps are few for a gradient decoder, whose pictures then fall short of their "
                    f"embeddings; its usual number is {GRADIENT_STEPS}",
                    ConvergenceWarning,
                    stacklevel=3,
                )
        else:
            self._decoder("decode").schedule.timesteps(steps)
        return int(steps)

    def _vectors(self, points: Embeddings, doing: str, rescale: float | None = None) -> np.ndarray:
        """Vectors as the decoder takes them, float32; refused where it would silently draw something else."""
        self._check(points, doing)
        if points.modality == "text":
            raise InputError(
                f"{doing}: expected image embeddings, got text embeddings; draw image embeddings with space.prior, or "
                "say that you mean it: generate(..., source='text')"
            )
        unit, norm = points.unit, points.norm
        short = np.flatnonzero(np.isclose(norm, 1, atol=1e-3))
        facts = getattr(self.decoder, "facts", None)
        if rescale is not None:
            norm = np.full(len(points), float(rescale))
        elif facts is not None and facts.scale == "raw" and len(short):
            raise InputError(
                f"{doing}: the decoder {facts.name!r} takes raw embeddings, got {len(short)} of {len(norm)} vectors of "
                f"length 1 (first rows {short[:5].tolist()}), whose norm was lost; encode again, or pass rescale= the usual "
                "norm of raw ones"
            )
        return (unit * norm[:, None]).astype(np.float32)

    def _check(self, points: Embeddings, doing: str) -> None:
        if not isinstance(points, Embeddings):
            raise InputError(
                f"{doing}: expected Embeddings, got {type(points).__name__}; wrap arrays in Embeddings(vectors, space.stamp)"
            )
        check_same_space(self.stamp, points.stamp, doing)

    def _check_named_by_texts(self, points: Embeddings) -> None:
        """A prior that reads texts sees nothing of the vectors, so they must be what their names say."""
        blank = [name for name in points.names or () if not name.strip()]
        cosine = 0.0 if blank else np.einsum("nd,nd->n", self.encode_texts(points.names or ()).unit, points.unit).min()
        if cosine < 0.99:
            raise InputError(
                f"prior: expected text embeddings named by their texts, which this prior reads, got names such as "
                f"{points.names[0]!r} whose own embeddings lie elsewhere; pass the texts, or Embeddings(names=texts)"
            )

    def _as_noise(self, noise: np.ndarray, n: int) -> np.ndarray:
        shape = self._decoder("decode").latent_shape
        noise = np.asarray(noise, dtype=np.float64 if self.encoder.dtype == torch.float64 else np.float32)
        if noise.shape == (1, *shape):
            noise = np.repeat(noise, n, axis=0)
        if noise.shape != (n, *shape) or not np.isfinite(noise).all():
            raise InputError(
                f"decode: expected finite noise of shape {(n, *shape)} or {(1, *shape)}, got {noise.shape}"
            )
        return noise


def _finer(dtype: torch.dtype) -> str:
    """What to do where this precision keeps no code."""
    if dtype == torch.float64:
        return "use another number of steps"
    finer = "float64" if dtype == torch.float32 else "float32"
    return f"invert and decode them in a space loaded with dtype={finer!r}"


def _check_scale(doing: str, guidance_scale: float) -> None:
    if not (np.isfinite(guidance_scale) and guidance_scale >= 0):
        raise InputError(
            f"{doing}: expected a finite guidance_scale, 1 for none and 0 for no condition, got {guidance_scale}"
        )
