"""`ClipEncoder`: one CLIP, images and texts to raw (not normalised) vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from PIL import Image

from clipspace.errors import CapabilityError, InputError
from clipspace.models.function import function_of
from clipspace.models.offloading import offloaded_blocks
from clipspace.models.projection import before_projection
from clipspace.models.reading import check_texts, split_words
from clipspace.models.weights import digest, weights_digest
from clipspace.points.embeddings import Stamp
from clipspace.points.stamps import FEATURES
from clipspace.sources.images import grows_too_large


class ClipEncoder:
    """One CLIP: an open_clip model, its own preprocessing and tokenizer, and the stamp of its space.

    ``identifier`` is the open_clip id it was loaded by; the stamp may carry a shorter name. The stamp is of the model
    as it comes, before it is made ``dtype``: a model is the same space at every precision. With ``offload`` the blocks of its
    towers wait in main memory, and compute on ``device``. ``image_shape`` is the height and width that the model sees,
    ``image_size`` the longer of them; ``logit_bias`` is that of a model trained by the
    sigmoid of each pair (Zhai et al. 2023, arXiv 2303.15343), None for one trained by the softmax.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        preprocess,
        tokenizer,
        *,
        name: str,
        identifier: str,
        device: torch.device,
        dtype: torch.dtype,
        offload: bool = False,
    ) -> None:
        self.preprocess, self.tokenizer, self.identifier = preprocess, tokenizer, identifier
        whole = not offload and dtype.itemsize >= 4  # else the device would hold more now than later
        self.device = device if whole else torch.device("cpu")
        self.model = model.to(self.device)
        size = model.visual.image_size
        self.image_shape = (int(size),) * 2 if isinstance(size, int) else (int(size[0]), int(size[1]))
        self.image_size = max(self.image_shape)
        self.context_length = int(getattr(tokenizer, "context_length", None) or model.context_length)
        self.logit_scale = float(model.logit_scale.detach().exp())
        bias = getattr(model, "logit_bias", None)
        # open_clip fills in 0 where the weights hold none
        self.logit_bias = None if bias is None or not bias.any() else float(bias.detach())
        self.stamp = self._stamp(name)
        model = model.to(dtype=dtype, memory_format=torch.channels_last)  # convolutions are faster so
        self.model, self.device = offloaded_blocks(model, device) if offload else model.to(device), device

    @torch.inference_mode()
    def _stamp(self, name: str) -> Stamp:
        function, dim = function_of(
            self.model,
            preprocess=self.model.visual.preprocess_cfg,
            image_size=self.image_shape,
            images=lambda images: self._encode(torch.stack([self.preprocess(i) for i in images]).to(self.device)),
            texts=lambda texts: self.model.encode_text(self.tokenizer(list(texts)).to(self.device)),
            tokenizer=self.tokenizer,
            context_length=self.context_length,
        )
        return Stamp(name, weights_digest(self.model), digest(repr(self.preprocess).encode()), dim, function)

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
        trunk = before_projection(self.model.visual)
        if trunk is None:
            raise CapabilityError(f"features: {self.stamp.model!r} has no projection of its own; use its embeddings")
        pixels = torch.stack([self.prepare(image) for image in images]).to(self.device, self.dtype)
        output = trunk(pixels)  # CoCa returns its tokens as well
        return (output[0] if isinstance(output, tuple) else output).float().cpu().numpy()

    def differentiable(self, pixels: torch.Tensor) -> torch.Tensor:
        """Raw embeddings ``(n, d)`` of pixels in [0, 1] at the encoder's size, with a gradient."""
        mean, std = (
            torch.tensor(numbers, device=self.device, dtype=self.dtype).view(-1, 1, 1)
            for numbers in (self.model.visual.image_mean, self.model.visual.image_std)
        )
        return self._encode((pixels.to(mean) - mean) / std)

    @torch.inference_mode()
    def zero_image(self) -> torch.Tensor:
        """Raw embedding ``(1, d)`` of an image that is zero once normalised: plain mean colour."""
        return self._encode(self._blank()).float()

    def _encode(self, prepared: torch.Tensor) -> torch.Tensor:
        return self.model.encode_image(prepared)

    def _blank(self) -> torch.Tensor:
        return torch.zeros(1, 3, *self.image_shape, device=self.device, dtype=self.dtype)

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Raw text embeddings, float32 ``(n, d)``. Warns with what was cut of texts beyond the context length."""
        self._check_texts(texts)
        return self.model.encode_text(self.tokenizer(list(texts)).to(self.device)).float().cpu().numpy()

    @torch.inference_mode()
    def text_tokens(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Raw embeddings ``(n, d)`` and last hidden states ``(n, length, width)`` of texts, zeros where padded."""
        self._check_texts(texts)
        tokens, seen = self.tokenizer(list(texts)).to(self.device), []
        last = getattr(self.model, "text", self.model).ln_final
        hook = last.register_forward_hook(lambda module, args, out: seen.append(out))
        try:
            pooled = self.model.encode_text(tokens)
        finally:
            hook.remove()
        return pooled.float(), seen[0].float() * (tokens != 0)[..., None]

    def says_nothing(self, text: str) -> bool:
        """Whether the tokenizer keeps no word of a text, such as "&nbsp;"."""
        return not split_words(self.tokenizer, text, context_length=self.context_length)[0]

    def _check_texts(self, texts: Sequence[str]) -> None:
        check_texts(self.tokenizer, texts, context_length=self.context_length)
