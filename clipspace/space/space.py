"""`Space`: an encoder and, where there is one, a decoder and a prior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from PIL import Image

from clipspace.diffusion.inversion import Method
from clipspace.diffusion.sampling import draw_noise
from clipspace.errors import CapabilityError, InputError
from clipspace.models.contract import Decoder, Encoder, Prior
from clipspace.models.precision import check_finite
from clipspace.models.weights import networks_digest
from clipspace.points.code import Code
from clipspace.points.embeddings import Embeddings, Stamp
from clipspace.reprs import brief
from clipspace.seeds import streams
from clipspace.sequences import in_order
from clipspace.sources.images import list_images, read_image, read_images
from clipspace.space.batches import batch_slices, within_memory
from clipspace.space.drawing import draw_embeddings, draw_images
from clipspace.space.inputs import check_guidance, decoder_noise, decoder_vectors, text_points
from clipspace.space.inverting import find_noise, warn_limited, warn_lost

_STEPS, _PRIOR_STEPS = 50, 25
"""Steps of a space without a decoder, or a prior, of its own."""
_ENCODE_BATCH = 64
_DECODE_BATCH = 16


@dataclass(frozen=True, eq=False)
class Space:
    """One embedding space to work in. Get one from `load_space`.

    PIL images and NumPy arrays go in and come out; torch stays inside.
    """

    name: str
    encoder: Encoder
    decoder: Decoder | None = None
    prior_model: Prior | None = None
    usual_steps: int | None = None
    usual_guidance: float | None = None

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
        """Digests of the weights of encoder, decoder and prior, of those that the space has."""
        parts = {"decoder": self.decoder, "prior": self.prior_model}
        return {"encoder": self.stamp.weights} | {k: networks_digest(v) for k, v in parts.items() if v is not None}

    @property
    def num_inference_steps(self) -> int:
        """Default number of sampler steps of `decode` and `invert`."""
        if self.usual_steps is not None:
            return self.usual_steps
        return _STEPS if self.decoder is None else self.decoder.num_inference_steps

    @property
    def guidance_scale(self) -> float:
        """Default guidance scale of `decode` when the noise is drawn: the value of the decoder's authors."""
        if self.usual_guidance is not None:
            return self.usual_guidance
        return 1.0 if self.decoder is None else self.decoder.guidance_scale

    @property
    def inversion_guidance_scale(self) -> float:
        """Default guidance scale of `invert`, and of `decode` with given noise: 1."""
        return 1.0 if self.usual_guidance is None else self.usual_guidance

    @property
    def prior_steps(self) -> int:
        """Default number of sampler steps of `prior`."""
        return _PRIOR_STEPS if self.prior_model is None else self.prior_model.num_inference_steps

    @property
    def prior_guidance_scale(self) -> float:
        """Default guidance scale of `prior`: the value of the prior's authors."""
        return 1.0 if self.prior_model is None else self.prior_model.guidance_scale

    def with_defaults(self, *, num_inference_steps: int | None = None, guidance_scale: float | None = None) -> Space:
        """The same space with other default sampler steps and guidance of its decoder; None keeps the default.

        Inversion uses this guidance too. The networks are shared, not copied. Raises `InputError` for invalid values.
        """
        if guidance_scale is not None:
            check_guidance("with_defaults", guidance_scale)
        if num_inference_steps is not None and self.decoder is not None:
            self.decoder.check_steps(num_inference_steps)
        steps = self.usual_steps if num_inference_steps is None else num_inference_steps
        guidance = self.usual_guidance if guidance_scale is None else guidance_scale
        return replace(self, usual_steps=steps, usual_guidance=guidance)

    def encode_images(self, images, *, batch_size: int = _ENCODE_BATCH, deterministic: bool = False) -> Embeddings:
        """Raw image embeddings of one image or a sequence (paths, PIL, arrays; see `images.read_image`).

        The last bits of a vector, about 1e-6 of its length in float32, depend on the size of its batch. ``deterministic`` pads
        every batch to ``batch_size``, as `encode` does, so that on the CPU a vector does not depend on the other images of its
        batch. Raises `PrecisionError` if the encoder overflows in its dtype.
        """
        listed, names = list_images(images)
        padded = batch_size if deterministic else None
        with within_memory("encode_images", batch_size):
            chunks = [
                self.encoder.images([read_image(s) for s in listed[rows]], batch_size=padded)
                for rows in batch_slices(len(listed), batch_size, "encoding", "images")
            ]
        return self._embeddings(chunks, "image", names)

    def encode_features(self, images, *, batch_size: int = _ENCODE_BATCH) -> Embeddings:
        """Features of images before the encoder's last projection, for probes; they are not points of this space.

        They have a stamp of their own, so they are never mixed with embeddings. Raises `CapabilityError` if
        the encoder has no separate projection.
        """
        listed, names = list_images(images)
        slices = batch_slices(len(listed), batch_size, "encoding", "images")
        with within_memory("encode_features", batch_size):
            chunks = [self.encoder.features([read_image(s) for s in listed[rows]]) for rows in slices]
        if not chunks:
            raise InputError("encode: expected at least one image, got none")
        vectors = self._finite(np.concatenate(chunks), "encode_features")
        return Embeddings(vectors, replace(self.encoder.features_stamp, dim=vectors.shape[1]), "image", names)

    def encode_texts(self, texts: str | Sequence[str], *, batch_size: int = _ENCODE_BATCH) -> Embeddings:
        """Raw text embeddings of one text or a sequence. Empty texts raise `InputError`; long texts are cut with a warning."""
        listed = [texts] if isinstance(texts, str) else list(in_order(texts, "encode_texts"))
        wrong = [text for text in listed if not isinstance(text, str)]
        if wrong:
            raise InputError(f"encode_texts: expected texts with at least one word, got {wrong[0]!r}, which is no text")
        slices = batch_slices(len(listed), batch_size, "encoding", "texts")
        with within_memory("encode_texts", batch_size):
            chunks = [self.encoder.texts(listed[rows]) for rows in slices]
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

        Most priors read the text itself, so embeddings must be named by their texts. Of ``candidates`` draws for each text, the
        one with the highest cosine to the text embedding is kept (Ramesh et al. 2022, section 2.2, draw two).
        ``guidance_scale`` is what the prior's authors use when None (4 for those of Kandinsky 2.2 and Karlo, else 1), and each
        step clips the embedding it predicts as their sampler does. Raises `CapabilityError` where the space has no prior,
        `PrecisionError` where it answers with NaN.
        """
        if self.prior_model is None:
            raise CapabilityError(f"prior: the space {self.name!r} has no prior; load one that has, such as 'mini'")
        points = text_points(self, texts)
        guidance_scale = self.prior_guidance_scale if guidance_scale is None else guidance_scale
        check_guidance("prior", guidance_scale)
        vectors = draw_embeddings(
            self.prior_model,
            points,
            self.encoder,
            seed=seed,
            num_inference_steps=self.prior_steps if num_inference_steps is None else num_inference_steps,
            guidance_scale=guidance_scale,
            candidates=candidates,
            batch_size=batch_size,
        )
        return Embeddings(vectors, self.stamp, "prior", points.names, {"seed": [seed] * len(points)})

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
        noise : x_T, float array ``(n, *latent_shape)``, or ``(1, ...)`` to share one; drawn from ``seed`` when None
        seed : of x_T, and of the noise of ``eta``, which are independent; row i depends only on the seed and on i
        num_inference_steps : steps of the sampler; `Space.num_inference_steps` when None
        guidance_scale : scale of classifier-free guidance (Ho & Salimans 2022): 1 is none, 0 ignores the condition; when None, that
            of the decoder's authors (`Space.guidance_scale`) if the noise is drawn, and 1 if it is given
        eta : 0 is deterministic DDIM; above 0, every step adds fresh noise
        clip_sample : whether to clip the x_0 that each step predicts, if the checkpoint's own sampler does; when None, yes if the
            noise is drawn and no if it is given, because `invert` finds the noise of unclipped steps: clipping has no inverse
        rescale : norm to give to every vector, if their own was lost (unit vectors for a decoder that takes raw ones)

        Raises `CapabilityError` without a decoder, `SpaceMismatchError` for embeddings of another space,
        `InputError` for text embeddings (`prior` makes image embeddings of them) and for unit vectors where the
        decoder takes raw ones, `PrecisionError` where its networks answer with NaN, as some do in float16.
        ``decoder="gradient"`` has no guidance, and does not use eta and clip_sample.
        """
        decoder, n = self._decoder("decode"), len(embeddings)
        z = decoder_vectors(self, embeddings, "decode", rescale)
        steps = self._steps(decoder, num_inference_steps)
        if not 0 <= eta <= 1:
            raise InputError(f"decode: expected eta in [0, 1], got {eta}")
        drawing = noise is None
        if guidance_scale is None:
            guidance_scale = self.guidance_scale if drawing else self.inversion_guidance_scale
        check_guidance("decode", guidance_scale)
        if guidance_scale != 1 and not decoder.guides:
            raise CapabilityError(
                f"decode: a {decoder.name} decoder has no guidance, got guidance_scale={guidance_scale}; leave it at 1, or "
                "load a space with a diffusion decoder"
            )
        return draw_images(
            decoder,
            z,
            self.noise(n, seed=seed) if drawing else decoder_noise(self, noise, n),
            device=self.device,
            num_inference_steps=steps,
            rngs=streams(seed, n, "steps"),
            batch_size=batch_size,
            guidance_scale=guidance_scale,
            eta=eta,
            clip_sample=drawing if clip_sample is None else clip_sample,
        )

    def invert(
        self,
        images,
        *,
        embeddings: Embeddings | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        method: Method = "exact",
        batch_size: int = _DECODE_BATCH,
    ) -> Code:
        """The bipartite code (z_i, x_T) of images: ``decode(code.embeddings, **code.settings)`` reproduces them.

        ``embeddings`` are the embeddings of the images, computed when None. Images are cropped and resized to the decoder's
        resolution (centre square). ``method="exact"`` inverts the sampler to float accuracy;
        ``"ddim"`` is the one-step approximation in common use (see `diffusion.inversion`). Both invert steps that do not clip
        x_0, whatever the checkpoint's own sampler does, and use guidance 1 unless another is given.

        Warns (`ConvergenceWarning`) about images whose code decodes to something else. In float32 this is one in a hundred images
        of the mini space: they are so unlike what the decoder draws that rounding decides the image. A space loaded with
        ``dtype="float64"`` inverts and decodes them too, at four times the cost on a CPU. Warns (`ClippingWarning`) about
        images whose code the decoder's own sampler would not decode, because it clips x_0; the warning names the timestep
        below which it clips nothing.
        """
        decoder = self._decoder("invert")
        steps = self._steps(decoder, num_inference_steps)
        if not decoder.inverts:
            raise CapabilityError(
                f"invert: a {decoder.name} decoder has no x_T to find; load a space with a diffusion decoder"
            )
        guidance_scale = self.inversion_guidance_scale if guidance_scale is None else guidance_scale
        check_guidance("invert", guidance_scale)
        read, names = read_images(images)
        points = self.encode_images(read) if embeddings is None else embeddings
        z = decoder_vectors(self, points, "invert")
        if len(points) != len(read):
            raise InputError(f"invert: expected one embedding for each of {len(read)} images, got {len(points)}")
        dtype, options = self.encoder.dtype, {"num_inference_steps": steps, "guidance_scale": guidance_scale}
        found = find_noise(decoder, read, z, dtype=dtype, method=method, batch_size=batch_size, **options)
        warn_lost(found.residual, dtype, stacklevel=2)
        warn_limited(found, decoder, steps, stacklevel=2)
        named = points if embeddings is not None else Embeddings(points.vectors, points.stamp, "image", names)
        return Code(
            named, found.noise, steps, guidance_scale, found.residual, found.evaluations, self.weights["decoder"]
        )

    def noise(self, n: int, *, seed: int = 0) -> np.ndarray:
        """x_T for ``n`` images, float32 ``(n, *latent_shape)``: the noise that `decode` draws for ``seed``."""
        return draw_noise(self._decoder("noise").latent_shape, streams(seed, n, "noise")).numpy()

    def _embeddings(self, chunks: list[np.ndarray], modality: Any, names: list[str]) -> Embeddings:
        if not chunks:
            raise InputError(f"encode: expected at least one {modality}, got none")
        vectors = self._finite(np.concatenate(chunks), f"encode_{modality}s")
        return Embeddings(vectors, self.stamp, modality, names)

    def _finite(self, vectors: np.ndarray, doing: str) -> np.ndarray:
        """Vectors as they are. Raises `PrecisionError` where some are not finite: the encoder overflows its type."""
        check_finite(torch.from_numpy(vectors), f"{doing}: vectors", self.encoder.dtype)
        return vectors

    def _decoder(self, doing: str) -> Decoder:
        if self.decoder is None:
            raise CapabilityError(
                f"{doing}: the space {self.name!r} has no decoder; load one that has, such as 'mini', or "
                "decoder='gradient', which works for any CLIP"
            )
        return self.decoder

    def _steps(self, decoder: Decoder, num_inference_steps: int | None) -> int:
        steps = self.num_inference_steps if num_inference_steps is None else num_inference_steps
        decoder.check_steps(steps)
        return int(steps)
