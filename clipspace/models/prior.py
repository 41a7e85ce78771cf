"""Priors: from a text to image embeddings, by diffusion in embedding space (Ramesh et al. 2022, section 2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from diffusers import PriorTransformer
from transformers import CLIPTextModelWithProjection

from clipspace.errors import CheckpointError
from clipspace.models import dalle2, kandinsky, karlo, pixel_decoder
from clipspace.models.contract import DecoderFacts, widened
from clipspace.models.decoders import check_serves
from clipspace.models.folders import Placement, clip_of, device_of, load_part, load_tokenizer, own_parameter, read_index
from clipspace.models.scheduler_config import load_schedule
from clipspace.points.stamps import Stamp

if TYPE_CHECKING:
    from clipspace.models.clip import Encoder


class EmbeddingPrior:
    """text embedding -> image embedding: the mini prior.

    Works on unit vectors times sqrt(d), and predicts the clean vector. ``image_norm`` is the mean norm of raw
    image embeddings, which its output is given back. ``reads_texts`` tells priors that are given the texts themselves
    from those that are given their embeddings.
    """

    facts = pixel_decoder.FACTS
    reads_texts = False

    def __init__(self, network: PriorTransformer, schedule, *, clip: Stamp | str, image_norm: float) -> None:
        self.network, self.schedule, self.clip, self.image_norm = network, schedule, clip, image_norm
        self.device, self.dim = device_of(network), int(network.config.embedding_dim)
        self.latent_shape = (self.dim,)

    def inputs(self, texts: Sequence[str], unit: np.ndarray) -> torch.Tensor:
        """What `diffusion.sample` is to condition on: the unit text embeddings."""
        return torch.from_numpy(unit).float()

    def condition(self, embeds: torch.Tensor) -> torch.Tensor:
        unit = torch.nn.functional.normalize(embeds, dim=-1) * self.dim**0.5
        return unit.to(self.device, self.network.dtype)

    def null_condition(self, n: int) -> torch.Tensor:
        return torch.zeros(n, self.dim, device=self.device, dtype=self.network.dtype)

    def predict(self, x_t: torch.Tensor, t: int, cond: torch.Tensor) -> torch.Tensor:
        return widened(self.network(x_t.to(self.network.dtype), t, proj_embedding=cond, return_dict=False)[0])

    def to_embeds(self, latents: torch.Tensor) -> torch.Tensor:
        """Raw image embeddings of what was sampled."""
        return torch.nn.functional.normalize(latents, dim=-1) * self.image_norm


class TextCondition(NamedTuple):
    """Pooled ``(n, d)``, hidden states ``(n, length, width)`` and mask ``(n, length)`` of texts."""

    pooled: torch.Tensor
    hidden: torch.Tensor
    mask: torch.Tensor


class TextPrior:
    """text -> image embedding: the priors of Kandinsky 2.2 and Karlo, which read every token of the text.

    They are conditioned by a text encoder of their own folder, predict the clean vector in whitened
    coordinates, and `to_embeds` takes the whitening back.
    """

    clip = None
    reads_texts = True

    def __init__(self, network: PriorTransformer, schedule, text_encoder, tokenizer, *, facts: DecoderFacts) -> None:
        self.network, self.schedule, self.facts = network, schedule, facts
        self.text_encoder, self.tokenizer = text_encoder, tokenizer
        self.device, self.dim = device_of(network), int(network.config.embedding_dim)
        self.latent_shape = (self.dim,)

    def inputs(self, texts: Sequence[str], unit: np.ndarray) -> Sequence[str]:
        """What `diffusion.sample` is to condition on: the texts themselves."""
        return texts

    @torch.inference_mode()
    def condition(self, texts: Sequence[str]) -> TextCondition:
        tokens = self.tokenizer(
            list(texts), padding="max_length", truncation=True, max_length=self.tokenizer.model_max_length,
            return_tensors="pt",
        ).to(self.device)  # fmt: skip
        out = self.text_encoder(tokens.input_ids)
        return TextCondition(out.text_embeds, out.last_hidden_state, tokens.attention_mask.bool())

    def null_condition(self, n: int) -> TextCondition:
        return self.condition([""] * n)

    def predict(self, x_t: torch.Tensor, t: int, cond: TextCondition) -> torch.Tensor:
        dtype = self.network.dtype
        out = self.network(
            x_t.to(dtype),
            timestep=t,
            proj_embedding=cond.pooled.to(dtype),
            encoder_hidden_states=cond.hidden.to(dtype),
            attention_mask=cond.mask,
        )
        return widened(out.predicted_image_embedding)

    def to_embeds(self, latents: torch.Tensor) -> torch.Tensor:
        """Raw image embeddings of what was sampled."""
        mean, std = (own_parameter(self.network, f"clip_{name}") for name in ("mean", "std"))
        return latents * std + mean


_TEXT_PRIORS = {  # pipeline of the folder: facts, folder of the scheduler
    "KandinskyV22PriorPipeline": (kandinsky.FACTS, "scheduler"),
    "UnCLIPPipeline": (karlo.FACTS, "prior_scheduler"),
}


def load_prior(folder: Path, encoder: Encoder, place: Placement) -> EmbeddingPrior | TextPrior | dalle2.Dalle2Prior:
    """The prior of a diffusers folder, checked against the encoder it is to serve.

    Raises `CheckpointError` for a folder that is incomplete, corrupt or unknown, `SpaceMismatchError` for a
    prior of another CLIP.
    """
    if (folder / dalle2.PRIOR_CONFIG).is_file():
        prior = dalle2.load_prior(folder, encoder, place)
        check_serves(encoder, prior.facts, prior.dim, None)
        return prior
    index = read_index(folder)
    kind = index.get("_class_name")
    if kind == "UnCLIPPrior":
        network = load_part(PriorTransformer, folder, "prior", place)
        prior = EmbeddingPrior(network, load_schedule(folder), clip=clip_of(index), image_norm=index["image_norm"])
    elif kind in _TEXT_PRIORS:
        facts, scheduler = _TEXT_PRIORS[kind]
        prior = TextPrior(
            load_part(PriorTransformer, folder, "prior", place),
            load_schedule(folder, scheduler),
            load_part(CLIPTextModelWithProjection, folder, "text_encoder", place),
            load_tokenizer(folder),
            facts=facts,
        )
    else:
        known = ["UnCLIPPrior", *_TEXT_PRIORS]
        raise CheckpointError(f"load_space: expected a prior, one of {known}, in {str(folder)!r}, got {kind!r}")
    check_serves(encoder, prior.facts, prior.dim, prior.clip)
    return prior
