"""A model of open_clip as the network of an encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from clipspace.models.network import Embed, Network, Preparation, TextTower
from clipspace.models.projection import before_projection
from clipspace.models.reading import split_words
from clipspace.models.weights import weights_digest


def open_clip_network(model: torch.nn.Module, transform: Callable, tokenizer: Any) -> Network:
    """The network of a model with the transform of images and the tokenizer that belong to it."""
    visual = model.visual
    size = visual.image_size
    stated = visual.preprocess_cfg
    bias = getattr(model, "logit_bias", None)
    return Network(
        model,
        model.encode_image,
        Preparation(
            transform,
            (int(size),) * 2 if isinstance(size, int) else (int(size[0]), int(size[1])),
            tuple(visual.image_mean),
            tuple(visual.image_std),
            str(stated["resize_mode"]),
            str(stated["interpolation"]),
            repr(transform),
        ),
        described=model,
        weights=weights_digest(model),
        texts=OpenClipTexts(model, tokenizer),
        trunk=partial(_trunk, visual),
        logit_scale=float(model.logit_scale.detach().exp()),
        # open_clip fills in 0 where the weights hold none
        logit_bias=None if bias is None or not bias.any() else float(bias.detach()),
    )


def _trunk(visual: torch.nn.Module) -> Embed | None:
    tower = before_projection(visual)
    if tower is None:
        return None

    def features(pixels: torch.Tensor) -> torch.Tensor:
        output = tower(pixels)  # CoCa returns its tokens as well
        return output[0] if isinstance(output, tuple) else output

    return features


class OpenClipTexts(TextTower):
    """The texts of an open_clip model, by one of open_clip's tokenizers."""

    def __init__(self, model: torch.nn.Module, tokenizer: Any) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.context_length = int(getattr(tokenizer, "context_length", None) or model.context_length)

    def tokens(self, texts: Sequence[str]) -> torch.Tensor:
        return self.tokenizer(list(texts))

    def embed(self, texts: Sequence[str], device: torch.device) -> torch.Tensor:
        return self.model.encode_text(self.tokens(texts).to(device))

    def embed_tokens(self, texts: Sequence[str], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        tokens, seen = self.tokens(texts).to(device), []
        last = getattr(self.model, "text", self.model).ln_final
        hook = last.register_forward_hook(lambda module, args, out: seen.append(out))
        try:
            pooled = self.model.encode_text(tokens)
        finally:
            hook.remove()
        return pooled, seen[0] * (tokens != 0)[..., None]

    def split(self, text: str) -> tuple[list[int], list[int]]:
        return split_words(self.tokenizer, text, context_length=self.context_length)

    def decode(self, tokens: Sequence[int]) -> str:
        decoder = self.tokenizer if hasattr(self.tokenizer, "encode") else self.tokenizer.tokenizer
        return decoder.decode(list(tokens))
