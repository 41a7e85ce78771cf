"""Texts by a text model of transformers and its tokenizer, padded and masked as in its training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from clipspace.errors import CheckpointError
from clipspace.models.network import TextTower


class TransformersTexts(TextTower):
    """The texts of a CLIP or SigLIP of transformers, by its own tokenizer.

    All texts are padded to the context length. CLIP is given the mask of what is padded. SigLIP is not, is padded at the end, and
    pools its last token: it was trained so (Zhai et al. 2023, arXiv 2303.15343), and on texts in lower case, which not every
    tokenizer that comes with it makes of them.
    """

    def __init__(self, model: torch.nn.Module, tokenizer: Any, *, sigmoid: bool, name: str) -> None:
        self.model, self.tokenizer, self.masked = model, tokenizer, not sigmoid
        config = getattr(model.config, "text_config", model.config)
        longest = int(tokenizer.model_max_length)
        self.context_length = min(longest, int(config.max_position_embeddings))
        self.lowers = sigmoid and not hasattr(
            tokenizer, "canonicalize_text"
        )  # SigLIP's first tokenizer cleans texts itself
        if sigmoid and self.context_length < config.max_position_embeddings:
            raise CheckpointError(
                f"load_space({name!r}): expected texts padded to {config.max_position_embeddings} tokens, as the model was trained, got "
                f"model_max_length {longest} in tokenizer_config.json; correct it"
            )
        if not sigmoid:
            self._check_end(config, name)

    def _check_end(self, config: Any, name: str) -> None:
        """The end of a text, which CLIP pools, is where the model looks for it; else it would pool the beginning."""
        ids = self.tokens(["a photo"])[0]
        marks = ids == (ids.max() if config.eos_token_id == 2 else config.eos_token_id)  # 2 stood there before 2023
        if self.tokenizer.eos_token_id is None or not marks.any() or ids[marks][0] != self.tokenizer.eos_token_id:
            raise CheckpointError(
                f"load_space({name!r}): its tokenizer ends a text by token {self.tokenizer.eos_token_id}, but its text_config says "
                f"eos_token_id {config.eos_token_id}; get the tokenizer of this model"
            )

    def _encoded(self, texts: Sequence[str]) -> Any:
        return self.tokenizer(
            [text.lower() for text in texts] if self.lowers else list(texts),
            padding="max_length", truncation=True, max_length=self.context_length, return_tensors="pt",
            return_attention_mask=True, padding_side=None if self.masked else "right",
        )  # fmt: skip

    def tokens(self, texts: Sequence[str]) -> torch.Tensor:
        return self._encoded(texts)["input_ids"]

    def embed(self, texts: Sequence[str], device: torch.device) -> torch.Tensor:
        return self.embed_tokens(texts, device)[0]

    def embed_tokens(self, texts: Sequence[str], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        encoded = self._encoded(texts).to(device)
        mask = encoded["attention_mask"]
        out = self.model.text_model(input_ids=encoded["input_ids"], attention_mask=mask if self.masked else None)
        project = getattr(self.model, "text_projection", None)
        pooled = out.pooler_output if project is None else project(out.pooler_output)
        return pooled, out.last_hidden_state * mask[..., None]

    def split(self, text: str) -> tuple[list[int], list[int]]:
        text = text.lower() if self.lowers else text
        words, whole = (
            self.tokenizer(text, add_special_tokens=ends, verbose=False)["input_ids"] for ends in (False, True)
        )
        end = self.tokenizer.eos_token_id
        typed = words.index(end) if self.masked and end in words else len(words)  # CLIP stops there
        room = self.context_length - (len(whole) - len(words))
        if getattr(self.tokenizer, "truncation_side", "right") == "left":
            cut = max(0, len(words) - room)
            return words[cut:], words[:cut]
        room = min(room, typed)
        return words[:room], words[room:]

    def decode(self, tokens: Sequence[int]) -> str:
        return self.tokenizer.decode(list(tokens))
