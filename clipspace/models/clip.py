"""CLIP encoders, loaded by open_clip: images and texts to raw (not normalised) vectors."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import open_clip
import torch
from PIL import Image

from clipspace.embeddings import Stamp
from clipspace.errors import CapabilityError, CheckpointError, InputError
from clipspace.images import grows_too_large
from clipspace.models.projection import before_projection
from clipspace.models.weights import digest, weights_digest

ResizeMode = Literal["shortest", "squash", "squash-aliased"]
RESIZE_MODES: tuple[ResizeMode, ...] = get_args(ResizeMode)
"""How a picture is made square: the centre of its shortest side, all of it, or all of it without antialiasing."""


class TruncationWarning(UserWarning):
    """A text was longer than the model reads; the message says what was cut."""


class Encoder:
    """One CLIP: an open_clip model, its own preprocessing and tokenizer, and the stamp of its space.

    ``identifier`` is the open_clip id it was loaded by; the stamp may carry a shorter name. The stamp is of the weights
    as they come, before they are made ``dtype``: a model is the same space at every precision.
    """

    def __init__(
        self, model: torch.nn.Module, preprocess, tokenizer, *, name: str, identifier: str, dtype: torch.dtype
    ) -> None:
        weights = weights_digest(model)
        self.model = model.to(dtype=dtype, memory_format=torch.channels_last)  # convolutions are faster so
        self.preprocess, self.tokenizer, self.identifier = preprocess, tokenizer, identifier
        size = model.visual.image_size
        self.image_size = int(size if isinstance(size, int) else size[0])
        self.context_length = int(model.context_length)
        self.logit_scale = float(model.logit_scale.detach().exp())
        with torch.inference_mode():
            dim = self._encode(self._blank()).shape[-1]
        self.stamp = Stamp(name, weights, digest(repr(preprocess).encode()), dim)

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.model.parameters()).dtype

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
        found = trunk(pixels)  # CoCa gives its tokens as well
        return (found[0] if isinstance(found, tuple) else found).float().cpu().numpy()

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
        return torch.zeros(1, 3, self.image_size, self.image_size, device=self.device, dtype=self.dtype)

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
        hook = last.register_forward_hook(lambda module, given, out: seen.append(out))
        try:
            pooled = self.model.encode_text(tokens)
        finally:
            hook.remove()
        return pooled.float(), seen[0].float() * (tokens != 0)[..., None]

    def _check_texts(self, texts: Sequence[str]) -> None:
        for text in texts:
            if not isinstance(text, str) or not text.strip():
                raise InputError(f"encode_texts: expected texts with at least one word, got {text!r}")
        if not hasattr(self.tokenizer, "encode"):
            return
        room = self.context_length - 2
        long = [tokens for tokens in map(self.tokenizer.encode, texts) if len(tokens) > room]
        if long:
            cut = self.tokenizer.decode(long[0][room:]).strip()
            others = f"; too long, too: {len(long) - 1} more" if len(long) > 1 else ""
            warnings.warn(
                f"text of {len(long[0])} tokens: the model reads {room}, so {cut!r} was cut{others}",
                TruncationWarning,
                stacklevel=4,
            )


@dataclass(frozen=True)
class Preprocess:
    """How images are made ready for a bare weights file, which cannot say it itself.

    ``resize_mode`` is open_clip's: "shortest" (then the centre square) or "squash".
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str = "bicubic"
    resize_mode: str = "shortest"


def load_encoder(
    name: str,
    *,
    stamp_name: str | None = None,
    resize_mode: ResizeMode | None = None,
    preprocess: Preprocess | None = None,
    device: torch.device,
    dtype: torch.dtype,
) -> Encoder:
    """The CLIP named as open_clip names it: ``"ViT-B-32/laion2b_s34b_b79k"``, ``hf-hub:…`` or ``local-dir:…``.

    ``"ViT-B-32/a/file.safetensors"`` loads a bare weights file, and then ``preprocess`` must be given.
    ``resize_mode`` overrides how pictures that are not square are made so. Raises `CheckpointError` when
    the weights are missing or cannot be read.
    """
    if resize_mode not in (None, *RESIZE_MODES):
        raise InputError(f"load_space: expected resize_mode out of {RESIZE_MODES}, got {resize_mode!r}")
    identifier, pretrained = _split(name)
    aliased = resize_mode == "squash-aliased"
    options: dict[str, Any] = {"image_resize_mode": "squash" if aliased else resize_mode}
    if pretrained is not None and Path(pretrained).suffix:
        options |= _bare_file(name, Path(pretrained), preprocess)
    elif preprocess is not None:
        raise InputError(f"load_space({name!r}): this model brings its own preprocessing; leave preprocess out")
    try:
        model, transform = open_clip.create_model_from_pretrained(identifier, pretrained, device=device, **options)
        tokenizer = open_clip.get_tokenizer(identifier)
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise CheckpointError(f"load_space({name!r}): open_clip could not load it: {error}") from error
    except Exception as error:  # safetensors raises its own type for corrupt files
        if type(error).__name__ != "SafetensorError":
            raise
        raise CheckpointError(
            f"load_space({name!r}): the weights are corrupt or truncated ({error}); get a whole copy"
        ) from error
    model = model.eval().requires_grad_(False)
    transform = _aliased(model.visual) if aliased else transform
    return Encoder(model, transform, tokenizer, name=stamp_name or name, identifier=name, dtype=dtype)


def _aliased(visual: torch.nn.Module):
    """How sd-image-variations was trained to see: pixels first, then a bicubic resize without antialiasing."""
    from torchvision.transforms import Compose, InterpolationMode, Normalize, Resize, ToTensor

    size = visual.image_size if isinstance(visual.image_size, tuple) else (visual.image_size,) * 2
    resize = Resize(size, InterpolationMode.BICUBIC, antialias=False)
    return Compose([ToTensor(), resize, Normalize(visual.image_mean, visual.image_std)])


def _split(name: str) -> tuple[str, str | None]:
    """What open_clip calls the model and the pretrained tag."""
    if name.startswith(("local-dir:", "hf-hub:")):
        if name.startswith("local-dir:"):
            _check_folder(Path(name.removeprefix("local-dir:")))
        return name, None
    model, _, pretrained = name.partition("/")
    if not pretrained:
        raise InputError(
            f"load_space: expected an open_clip id such as 'ViT-B-32/openai', got {name!r}; see `clipspace spaces`"
        )
    return model, pretrained


def _bare_file(name: str, path: Path, preprocess: Preprocess | None) -> dict[str, Any]:
    if preprocess is None:
        raise InputError(
            f"load_space({name!r}): a weights file does not say how images are prepared for it; "
            "pass preprocess=Preprocess(mean, std), or a local-dir: with its open_clip_config.json"
        )
    if path.suffix != ".safetensors":
        raise CheckpointError(
            f"load_space({name!r}): expected a .safetensors file, got {path.suffix!r}, which can run code when read; "
            "convert it where you trust it"
        )
    if not path.is_file():
        raise CheckpointError(f"load_space({name!r}): there is no file {str(path)!r}")
    return {
        "image_mean": preprocess.mean,
        "image_std": preprocess.std,
        "image_interpolation": preprocess.interpolation,
        "image_resize_mode": preprocess.resize_mode,
    }


def draw_encoder(name: str, *, seed: int, stamp_name: str, device: torch.device) -> Encoder:
    """The architecture of ``name`` (as for `load_encoder`; a tag after the slash is ignored) with fresh weights."""
    if name.startswith("local-dir:"):
        _check_folder(Path(name.removeprefix("local-dir:")))
    identifier = name if ":" in name else name.split("/", maxsplit=1)[0]
    with torch.random.fork_rng(devices=[]), _unwarned():
        torch.manual_seed(seed)
        try:
            model, _, preprocess = open_clip.create_model_and_transforms(identifier, load_weights=False)
            tokenizer = open_clip.get_tokenizer(identifier)
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            raise CheckpointError(f"untrained_space({name!r}): open_clip could not build it: {error}") from error
    model = model.eval().requires_grad_(False).to(device)
    return Encoder(model, preprocess, tokenizer, name=stamp_name, identifier=name, dtype=torch.float32)


@contextmanager
def _unwarned() -> Iterator[None]:
    """open_clip logs a warning that weights are random, which here they are meant to be."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(level)


def _check_folder(folder: Path) -> None:
    for needed in ("open_clip_config.json", "open_clip_model.safetensors"):
        if not (folder / needed).is_file():
            raise CheckpointError(
                f"load_space: expected {needed} in {str(folder)!r}, which lacks it; get a whole copy of the model"
            )
    try:
        json.loads((folder / "open_clip_config.json").read_text())
    except ValueError as error:
        raise CheckpointError(
            f"load_space: open_clip_config.json in {str(folder)!r} is not valid JSON ({error})"
        ) from error
