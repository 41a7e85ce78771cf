"""CLIP encoders, loaded by open_clip: images and texts to raw (not normalised) vectors."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import open_clip
import torch
from PIL import Image

from clipspace.embeddings import Stamp
from clipspace.errors import CapabilityError, CheckpointError, InputError
from clipspace.models.projection import before_projection


class TruncationWarning(UserWarning):
    """A text was longer than the model reads; the message says what was cut."""


class Encoder:
    """One CLIP: an open_clip model, its own preprocessing and tokenizer, and the stamp of its space."""

    def __init__(self, model: torch.nn.Module, preprocess, tokenizer, *, name: str) -> None:
        self.model, self.preprocess, self.tokenizer = model, preprocess, tokenizer
        self.image_size = model.visual.image_size
        self.context_length = int(model.context_length)
        self.logit_scale = float(model.logit_scale.detach().exp())
        dim = (
            int(model.text_projection.shape[-1]) if hasattr(model, "text_projection") else int(model.visual.output_dim)
        )
        self.stamp = Stamp(name, _weights_digest(model), _digest(repr(preprocess).encode()), dim)

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @torch.inference_mode()
    def images(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Raw image embeddings, float32 ``(n, d)``."""
        return self.model.encode_image(self._pixels(images)).float().cpu().numpy()

    @torch.inference_mode()
    def features(self, images: Sequence[Image.Image]) -> np.ndarray:
        """What the image tower holds before its projection, float32 ``(n, width)``."""
        trunk = before_projection(self.model.visual)
        if trunk is None:
            raise CapabilityError(f"features: {self.stamp.model!r} has no projection of its own; use its embeddings")
        return trunk(self._pixels(images)).float().cpu().numpy()

    def _pixels(self, images: Sequence[Image.Image]) -> torch.Tensor:
        pixels = torch.stack([self.preprocess(image) for image in images])
        return pixels.to(self.device, next(self.model.parameters()).dtype)

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Raw text embeddings, float32 ``(n, d)``. Warns with what was cut of texts beyond the context length."""
        for text in texts:
            self._check_text(text)
        return self.model.encode_text(self.tokenizer(list(texts)).to(self.device)).float().cpu().numpy()

    def _check_text(self, text: str) -> None:
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"encode_texts: expected texts with at least one word, got {text!r}")
        if not hasattr(self.tokenizer, "encode"):
            return
        room, tokens = self.context_length - 2, self.tokenizer.encode(text)
        if len(tokens) > room:
            cut = self.tokenizer.decode(tokens[room:]).strip()
            warnings.warn(
                f"text of {len(tokens)} tokens: the model reads {room}, so {cut!r} was cut",
                TruncationWarning,
                stacklevel=4,
            )


def load_encoder(name: str, *, stamp_name: str | None = None, device: torch.device, dtype: torch.dtype) -> Encoder:
    """The CLIP named as open_clip names it: ``"ViT-B-32/laion2b_s34b_b79k"``, ``hf-hub:…`` or ``local-dir:…``.

    Raises `CheckpointError` when the folder is incomplete or its weights cannot be read.
    """
    if ":" in name:
        identifier, pretrained = name, None
        if name.startswith("local-dir:"):
            _check_folder(Path(name.removeprefix("local-dir:")))
    else:
        identifier, _, pretrained = name.rpartition("/")
        if not identifier:
            raise InputError(
                f"load_space: expected an open_clip id such as 'ViT-B-32/openai', got {name!r}; see `clipspace spaces`"
            )
    try:
        model, preprocess = open_clip.create_model_from_pretrained(identifier, pretrained=pretrained, device=device)
        tokenizer = open_clip.get_tokenizer(identifier)
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise CheckpointError(f"load_space({name!r}): open_clip could not load it: {error}") from error
    except Exception as error:  # safetensors raises its own type for corrupt files
        if type(error).__name__ != "SafetensorError":
            raise
        raise CheckpointError(
            f"load_space({name!r}): the weights are corrupt or truncated ({error}); get a whole copy"
        ) from error
    return Encoder(model.eval().to(dtype=dtype), preprocess, tokenizer, name=stamp_name or name)


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


def _weights_digest(model: torch.nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().to("cpu", torch.float32).contiguous().numpy().data)
    return digest.hexdigest()[:16]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
