"""Kandinsky 2.1: the decoder of ViT-L/14 embeddings that reads a prompt too (Razzhigaev et al. 2023, arXiv 2310.03502)."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch

from clipspace.models.contract import Encoder
from clipspace.models.decoders.kandinsky import MoVQDecoder, load_movq
from clipspace.models.facts import DecoderFacts
from clipspace.models.folders import PLAIN, Placement, check_config, load_part
from clipspace.models.offloading import device_of
from clipspace.models.precision import widened
from clipspace.models.scheduler_config import load_schedule

KANDINSKY_21 = DecoderFacts(
    name="kandinsky-2.1",
    class_names=("KandinskyPipeline", "KandinskyCombinedPipeline"),
    clip=("ViT-L-14/openai", "ViT-L-14-quickgelu/openai"),
    dim=768,
    scale="raw",
    takes="raw projection, into the timestep embedding and as 10 tokens, beside the empty prompt",
    null="embedding of a mean-coloured image, and the empty prompt",
    output="512 px, MoVQ latents",
    guidance_scale=4.0,
    sampler="DDIM",
    licence="Apache-2.0",
    status="current",
    resize_mode="shortest",
    prior_guidance_scale=4.0,
)
FACTS = (KANDINSKY_21,)
_LENGTH = 77
"""Tokens of a prompt, as the network was trained."""


class Prompt(NamedTuple):
    """The empty prompt: pooled ``(1, dim)`` and hidden states ``(1, length, width)``."""

    pooled: torch.Tensor
    hidden: torch.Tensor


class Kandinsky21(MoVQDecoder):
    """The network is told the embedding, and the empty prompt by its own text encoder throughout."""

    facts = KANDINSKY_21

    def __init__(self, unet, movq, schedule, *, null_embeds: torch.Tensor, prompt: Prompt) -> None:
        super().__init__(unet, movq, schedule, dim=int(unet.config.cross_attention_dim), null_embeds=null_embeds)
        self.prompt = Prompt(*(part.to(self.device, self.dtype) for part in prompt))

    def predict(self, x_t: torch.Tensor, t: int, cond: torch.Tensor) -> torch.Tensor:
        n = len(cond)
        added = {"image_embeds": cond, "text_embeds": self.prompt.pooled.expand(n, -1)}
        hidden = self.prompt.hidden.expand(n, -1, -1)
        both = self.unet(x_t.to(self.dtype), t, encoder_hidden_states=hidden, added_cond_kwargs=added).sample
        return widened(both[:, : self.channels])


def load(facts: DecoderFacts, folder: Path, place: Placement, encoder: Encoder) -> Kandinsky21:
    """What stands for "no condition" comes from the encoder; the text encoder is read for the empty prompt, and not kept."""
    from diffusers import UNet2DConditionModel

    prompt = _empty_prompt(folder, place.on_cpu())
    unet = load_part(UNet2DConditionModel, folder, "unet", place)
    takes = PLAIN | {"addition_embed_type": "text_image", "encoder_hid_dim_type": "text_image_proj"}
    check_config(unet, "unet", in_channels=4, out_channels=8, class_embed_type=None, **takes)
    return Kandinsky21(
        unet, load_movq(folder, place), load_schedule(folder), null_embeds=encoder.zero_image(), prompt=prompt
    )


@torch.inference_mode()
def _empty_prompt(folder: Path, place: Placement) -> Prompt:
    """Its tokens are the marks of the beginning and the end, and padding, which the config names: no tokenizer is read."""
    from diffusers.pipelines.kandinsky.text_encoder import MultilingualCLIP

    text_encoder = load_part(MultilingualCLIP, folder, "text_encoder", place)
    marks = [text_encoder.config.bos_token_id, text_encoder.config.eos_token_id]
    padding = [text_encoder.config.pad_token_id] * (_LENGTH - len(marks))
    mask = torch.tensor([[1] * len(marks) + [0] * len(padding)])
    device = device_of(text_encoder)
    tokens = torch.tensor([marks + padding], device=device)
    return Prompt(*text_encoder(input_ids=tokens, attention_mask=mask.to(device)))
