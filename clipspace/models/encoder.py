"""`NetworkEncoder`: images, and texts where it reads them, to raw (not normalised) vectors."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace

import numpy as np
import torch
from PIL import Image

from clipspace.errors import CapabilityError, InputError
from clipspace.models.function import function_of
from clipspace.models.network import Network, TextTower
from clipspace.models.offloading import offloaded_blocks
from clipspace.models.precision import in_float32
from clipspace.models.reading import check_texts
from clipspace.models.weights import digest
from clipspace.points.embeddings import Stamp
from clipspace.points.stamps import FEATURES
from clipspace.sources.images import grows_too_large


class NetworkEncoder:
    """A model of open_clip, transformers or timm behind the contract of encoders (`contract.Encoder`).

    ``identifier`` is the id it was loaded by; the stamp may carry a shorter name. The stamp is of the model
    as it comes, before it is made ``dtype``: a model is the same space at every precision. Without a ``device`` and a ``dtype``
    the model stays where and as it is. With ``offload`` the blocks of its towers wait in main memory, and compute on ``device``.
    ``text_tower`` is None for a model of images alone, whose text methods raise `CapabilityError`.
    """

    def __init__(
        self,
        network: Network,
        *,
        name: str,
        identifier: str,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
        offload: bool = False,
    ) -> None:
        self.network, self.model, self.identifier = network, network.model, identifier
        self.text_tower: TextTower | None = network.texts
        self.preprocess = network.preparation.transform
        self.image_shape = network.preparation.shape
        self.image_size = max(self.image_shape)
        self.context_length = network.texts.context_length if network.texts else 0
        self.logit_bias = network.logit_bias
        if device is None or dtype is None:
            self.device = next(self.model.parameters()).device
            with in_float32(self.model):
                self.stamp = self._stamp(name)
        else:
            whole = not offload and dtype.itemsize >= 4  # else the device would hold more now than later
            self.device = device if whole else torch.device("cpu")
            self.model.to(self.device)
            self.stamp = self._stamp(name)
            self._place(device, dtype, offload)

    def _place(self, device: torch.device, dtype: torch.dtype, offload: bool) -> None:
        self.model.to(dtype=dtype, memory_format=torch.channels_last)  # convolutions are faster so
        if offload:
            offloaded_blocks(self.model, device)
        else:
            self.model.to(device)
        self.device = device

    @torch.inference_mode()
    def _stamp(self, name: str) -> Stamp:
        prepared, texts = self.network.preparation, self.text_tower
        function, dim = function_of(
            self.network.described,
            preprocess=vars(prepared),
            image_size=self.image_shape,
            images=lambda images: self._encode(
                torch.stack([self.preprocess(i) for i in images]).to(self.device, self.dtype)
            ),
            texts=texts and (lambda some: texts.embed(some, self.device)),
            tokenizer=texts and texts.tokens,
            context_length=self.context_length,
            pooling=self.network.pooling,
        )
        return Stamp(name, self.network.weights, digest(prepared.spelled.encode()), dim, function)

    def reading_texts_by(self, tower: TextTower) -> NetworkEncoder:
        """The same encoder with a text tower, and with the same stamp."""
        both = copy(self)
        both.text_tower, both.context_length = tower, tower.context_length
        return both

    @property
    def logit_scale(self) -> float:
        """That of its contrastive loss. Raises `CapabilityError` where the weights of an image tower hold none."""
        if self.network.logit_scale is None:
            raise CapabilityError(
                f"logit_scale: {self.stamp.model!r} is an image tower alone, whose weights hold none; load the whole model for "
                "probabilities of texts"
            )
        return self.network.logit_scale

    @property
    def features_stamp(self) -> Stamp:
        """The stamp of `features`, but for their dimension: another space than that of the embeddings."""
        function = replace(self.stamp.function, layer=FEATURES)
        return replace(self.stamp, model=f"{self.stamp.model} {FEATURES}", function=function)

    @property
    def dtype(self) -> torch.dtype:
        return next(self.model.parameters()).dtype

    @property
    def precision(self) -> str:
        """The dtype that the model runs in, as `load_space` takes it."""
        return str(self.dtype).removeprefix("torch.")

    @property
    def wider(self) -> str:
        """What to do where the model overflows its dtype."""
        if self.dtype == torch.float16:
            return "load the space with dtype='bfloat16', of the same memory, or 'float32'"
        return "load the space with dtype='float32'" if self.dtype == torch.bfloat16 else "check its weights"

    def prepare(self, image: Image.Image) -> torch.Tensor:
        """The pixels that the model sees of ``image``, float32 (3, h, w), on the CPU."""
        if grows_too_large(image, self.image_size):
            raise InputError(
                f"encode_images: a picture of {image.width} x {image.height} grows too large when its short side is made "
                f"{self.image_size}; crop it first"
            )
        return self.preprocess(image)

    @torch.inference_mode()
    def pixels(self, prepared: Sequence[torch.Tensor], *, batch_size: int | None = None) -> np.ndarray:
        """Raw image embeddings of prepared images, float32 ``(n, d)``.

        ``batch_size`` pads the batch to that many, so that the model always works on one shape: the last bits of
        a vector depend on the shape of the batch that it was computed in.
        """
        n = len(prepared)
        pixels = torch.zeros(max(n, batch_size or 0), *prepared[0].shape)
        torch.stack(list(prepared), out=pixels[:n])
        return self._encode(pixels.to(self.device, self.dtype))[:n].float().cpu().numpy()

    def images(self, images: Sequence[Image.Image], *, batch_size: int | None = None) -> np.ndarray:
        """Raw image embeddings, float32 ``(n, d)``; ``batch_size`` as in `pixels`."""
        return self.pixels([self.prepare(image) for image in images], batch_size=batch_size)

    @torch.inference_mode()
    def features(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Features before the projection into the shared space, float32 ``(n, width)``, as the linear probe of
        CLIP takes them (Radford et al. 2021, arXiv 2103.00020, appendix A.3).

        Raises `CapabilityError` for models whose last layer is not a projection of its own.
        """
        trunk = self.network.trunk()
        if trunk is None:
            raise CapabilityError(f"features: {self.stamp.model!r} has no projection of its own; use its embeddings")
        return trunk(torch.stack([self.prepare(i) for i in images]).to(self.device, self.dtype)).float().cpu().numpy()

    def differentiable(self, pixels: torch.Tensor) -> torch.Tensor:
        """Raw embeddings ``(n, d)`` of pixels in [0, 1] at the encoder's size, with a gradient."""
        mean, std = (
            torch.tensor(numbers, device=self.device, dtype=self.dtype).view(-1, 1, 1)
            for numbers in (self.network.preparation.mean, self.network.preparation.std)
        )
        return self._encode((pixels.to(mean) - mean) / std)

    @torch.inference_mode()
    def zero_image(self) -> torch.Tensor:
        """Raw embedding ``(1, d)`` of an image that is zero once normalised: plain mean colour."""
        return self._encode(torch.zeros(1, 3, *self.image_shape, device=self.device, dtype=self.dtype)).float()

    def _encode(self, prepared: torch.Tensor) -> torch.Tensor:
        return self.network.embed(prepared)

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Raw text embeddings, float32 ``(n, d)``. Warns with what was cut of texts beyond the context length."""
        self._check_texts(texts)
        return self._reader().embed(texts, self.device).float().cpu().numpy()

    @torch.inference_mode()
    def text_tokens(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Raw embeddings ``(n, d)`` and last hidden states ``(n, length, width)`` of texts, zeros where padded."""
        self._check_texts(texts)
        pooled, hidden = self._reader().embed_tokens(texts, self.device)
        return pooled.float(), hidden.float()

    def says_nothing(self, text: str) -> bool:
        """Whether the tokenizer keeps no word of a text, such as "&nbsp;"."""
        return not self._reader().split(text)[0]

    def _check_texts(self, texts: Sequence[str]) -> None:
        check_texts(self._reader(), texts)

    def _reader(self) -> TextTower:
        if self.text_tower is None:
            raise CapabilityError(
                f"texts: {self.stamp.model!r} is a model of images alone, and has no text tower; load a model that has one, such as "
                "'ViT-L-14/openai', or with the image encoder of a pipeline also its prior, which reads texts"
            )
        return self.text_tower
