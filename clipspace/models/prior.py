"""All priors, and the one way to load any of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from clipspace.errors import CheckpointError
from clipspace.models.contract import Encoder, Prior
from clipspace.models.decoders import check_serves, dalle2, kandinsky, kandinsky_21, karlo, pixel_decoder
from clipspace.models.facts import DecoderFacts
from clipspace.models.folders import Placement, Source, clip_of, kind_of, load_part, load_tokenizer, read_index
from clipspace.models.offloading import device_of, own_parameter
from clipspace.models.precision import widened
from clipspace.models.scheduler_config import load_schedule
from clipspace.models.transformers_texts import TransformersTexts
from clipspace.points.stamps import Stamp

if TYPE_CHECKING:
    from diffusers import PriorTransformer


class EmbeddingPrior(Prior):
    """text embedding -> image embedding: the mini prior.

    Works on unit vectors times sqrt(d), and predicts the clean vector. ``image_norm`` is the mean norm of raw
    image embeddings, which its output is given back.
    """

    facts = pixel_decoder.MINI
    reads_texts = False

    def __init__(self, network: PriorTransformer, schedule, *, clip: Stamp | str, image_norm: float) -> None:
        self.network, self.schedule, self.clip, self.image_norm = network, schedule, clip, image_norm
        self.device, self.dtype, self.dim = device_of(network), network.dtype, int(network.config.embedding_dim)
        self.latent_shape = (self.dim,)

    def inputs(self, texts: Sequence[str], unit: np.ndarray) -> torch.Tensor:
        """The unit text embeddings."""
        return torch.from_numpy(unit).float()

    def condition(self, z: torch.Tensor) -> torch.Tensor:
        unit = torch.nn.functional.normalize(z, dim=-1) * self.dim**0.5
        return unit.to(self.device, self.dtype)

    def null_condition(self, n: int) -> torch.Tensor:
        return torch.zeros(n, self.dim, device=self.device, dtype=self.dtype)

    def predict(self, x_t: torch.Tensor, t: int, cond: torch.Tensor) -> torch.Tensor:
        return widened(self.network(x_t.to(self.dtype), t, proj_embedding=cond, return_dict=False)[0])

    def to_embeds(self, latents: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(latents, dim=-1) * self.image_norm


class TextCondition(NamedTuple):
    """Pooled ``(n, d)``, hidden states ``(n, length, width)`` and mask ``(n, length)`` of texts."""

    pooled: torch.Tensor
    hidden: torch.Tensor
    mask: torch.Tensor


class TextPrior(Prior):
    """text -> image embedding: the priors of Kandinsky and Karlo, which read every token of the text.

    They are conditioned by a text encoder of their own folder, predict the clean vector in whitened
    coordinates, and `to_embeds` takes the whitening back.
    """

    reads_texts = True

    def __init__(self, network: PriorTransformer, schedule, text_encoder, tokenizer, *, facts: DecoderFacts) -> None:
        self.network, self.schedule, self.facts = network, schedule, facts
        self.text_encoder, self.tokenizer = text_encoder, tokenizer
        self.device, self.dtype, self.dim = device_of(network), network.dtype, int(network.config.embedding_dim)
        self.latent_shape = (self.dim,)

    def text_tower(self) -> TransformersTexts:
        """Its own text encoder, which is that of the CLIP."""
        return TransformersTexts(self.text_encoder, self.tokenizer, sigmoid=False, name="the text encoder of the prior")

    def inputs(self, texts: Sequence[str], unit: np.ndarray) -> Sequence[str]:
        """The texts themselves."""
        return texts

    @torch.inference_mode()
    def condition(self, z: Sequence[str]) -> TextCondition:
        tokens = self.tokenizer(
            list(z), padding="max_length", truncation=True, max_length=self.tokenizer.model_max_length,
            return_tensors="pt",
        ).to(self.device)  # fmt: skip
        out = self.text_encoder(tokens.input_ids)
        return TextCondition(out.text_embeds, out.last_hidden_state, tokens.attention_mask.bool())

    def null_condition(self, n: int) -> TextCondition:
        return self.condition([""] * n)

    def predict(self, x_t: torch.Tensor, t: int, cond: TextCondition) -> torch.Tensor:
        out = self.network(
            x_t.to(self.dtype),
            timestep=t,
            proj_embedding=cond.pooled.to(self.dtype),
            encoder_hidden_states=cond.hidden.to(self.dtype),
            attention_mask=cond.mask,
        )
        return widened(out.predicted_image_embedding)

    def to_embeds(self, latents: torch.Tensor) -> torch.Tensor:
        mean, std = (own_parameter(self.network, f"clip_{name}") for name in ("mean", "std"))
        return latents * std + mean


def _load_embedding_prior(folder: Path, place: Placement, encoder: Encoder) -> EmbeddingPrior:
    from diffusers import PriorTransformer

    index = read_index(folder)
    network = load_part(PriorTransformer, folder, "prior", place)
    return EmbeddingPrior(network, load_schedule(folder), clip=clip_of(index), image_norm=index["image_norm"])


def _load_text_prior(
    folder: Path, place: Placement, encoder: Encoder, *, facts: DecoderFacts, scheduler: str
) -> TextPrior:
    """``scheduler`` is the folder of the scheduler."""
    from diffusers import PriorTransformer
    from transformers import CLIPTextModelWithProjection

    return TextPrior(
        load_part(PriorTransformer, folder, "prior", place),
        load_schedule(folder, scheduler),
        load_part(CLIPTextModelWithProjection, folder, "text_encoder", place),
        load_tokenizer(folder),
        facts=facts,
    )


_LOADERS = {  # by the kind of the folder
    "UnCLIPPrior": _load_embedding_prior,
    "KandinskyPriorPipeline": partial(_load_text_prior, facts=kandinsky_21.KANDINSKY_21, scheduler="scheduler"),
    "KandinskyV22PriorPipeline": partial(_load_text_prior, facts=kandinsky.KANDINSKY, scheduler="scheduler"),
    "UnCLIPPipeline": partial(_load_text_prior, facts=karlo.KARLO, scheduler="prior_scheduler"),
    dalle2.PRIOR_CONFIG: dalle2.load_prior,
}


def load_prior(folder: Source, place: Placement, encoder: Encoder) -> Prior:
    """The prior of a folder, checked against the encoder it is to serve.

    Raises `CheckpointError` for a folder that is incomplete, corrupt or unknown, `SpaceMismatchError` for a
    prior of another CLIP.
    """
    kind = kind_of(folder, _LOADERS)
    if kind not in _LOADERS:
        raise CheckpointError(
            f"load_space: expected a prior, one of {list(_LOADERS)}, in {str(folder)!r}, got {kind!r}"
        )
    prior = _LOADERS[kind](folder, place, encoder)
    check_serves(encoder, prior.facts, prior.dim, prior.clip, of_texts=not prior.reads_texts)
    return prior
