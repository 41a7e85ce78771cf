"""What text encoders of a folder make of the empty prompt, for decoders that read a prompt beside the embedding."""

from __future__ import annotations

from typing import Any

import torch

from clipspace.models.folders import Placement, Source, load_part, load_tokenizer
from clipspace.models.offloading import device_of


@torch.inference_mode()
def read_empty_prompt(cls, folder: Source, place: Placement, suffix: str = "") -> tuple[Any, torch.Tensor]:
    """The output of a folder's text encoder, of the class ``cls``, for the empty prompt, and the mask ``(1, length)`` of its tokens.

    ``suffix`` ends the names of the two folders: "_2" for ``text_encoder_2`` and ``tokenizer_2``. The text encoder is not kept.
    """
    text_encoder = load_part(cls, folder, f"text_encoder{suffix}", place)
    tokenizer = load_tokenizer(folder, f"tokenizer{suffix}")
    tokens = tokenizer("", padding="max_length", max_length=tokenizer.model_max_length, return_tensors="pt")
    tokens = tokens.to(device_of(text_encoder))
    mask = tokens.attention_mask if getattr(text_encoder.config, "use_attention_mask", None) else None
    output = text_encoder(tokens.input_ids, attention_mask=mask, output_hidden_states=True)
    return output, tokens.attention_mask.bool()
