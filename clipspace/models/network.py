"""What an encoder is made of: a network for images, how images are prepared for it, and a text tower where it has one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import NoneType

import torch
from PIL import Image

Embed = Callable[[torch.Tensor], torch.Tensor]
"""Prepared images ``(n, 3, h, w)`` -> vectors ``(n, d)``."""


@dataclass(frozen=True)
class Preparation:
    """How images become what a network sees: ``transform`` does it, and the other fields tell the stamp of it.

    ``shape`` is the height and width that the network sees. ``resize_mode`` is as open_clip names it where it has a name
    there. ``spelled`` is the text of the transform, whose digest stamps carry.
    """

    transform: Callable[[Image.Image], torch.Tensor]
    shape: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize_mode: str
    interpolation: str
    spelled: str


class TextTower(ABC):
    """Texts -> raw vectors: a network and its tokenizer."""

    context_length: int

    @abstractmethod
    def tokens(self, texts: Sequence[str]) -> torch.Tensor:
        """Tokens ``(n, context_length)`` as the network is given them."""

    @abstractmethod
    def embed(self, texts: Sequence[str], device: torch.device) -> torch.Tensor:
        """Raw vectors ``(n, d)`` of texts."""

    @abstractmethod
    def embed_tokens(self, texts: Sequence[str], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Raw vectors ``(n, d)`` and last hidden states ``(n, length, width)`` of texts, zeros where padded."""

    @abstractmethod
    def split(self, text: str) -> tuple[list[int], list[int]]:
        """Tokens of a text that the network reads, and those that it does not, without the tokens that mark its ends."""

    @abstractmethod
    def decode(self, tokens: Sequence[int]) -> str:
        """The text of some tokens."""


@dataclass(frozen=True)
class Network:
    """A model of another library, and how it is called.

    ``described`` holds the modules that the stamp describes, those of images under names that start with "visual"; ``weights`` is
    the digest of its weights; ``pooling`` says how the tokens of a tower become one vector, where no module says it. ``trunk``
    gives the image tower without its projection, or None where it has none apart. ``logit_scale`` and ``logit_bias`` are
    those of the contrastive loss, None where the weights hold none. What is called is a method or a `functools.partial` over
    the model, so that a copy calls its own.
    """

    model: torch.nn.Module
    embed: Embed
    preparation: Preparation
    described: torch.nn.Module
    weights: str
    texts: TextTower | None = None
    pooling: str | None = None
    trunk: Callable[[], Embed | None] = NoneType
    logit_scale: float | None = None
    logit_bias: float | None = None
