"""The mini prior: diffusers' PriorTransformer, from a text embedding to image embeddings."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import PriorTransformer

from clipspace.errors import CheckpointError
from clipspace.models.folders import load_part, load_schedule, read_index


class Prior:
    """text embedding -> image embedding, by diffusion in embedding space (Ramesh et al. 2022, section 2.2).

    Works on unit vectors times sqrt(d), as `PixelDecoder` does, and predicts the clean vector.
    ``image_norm`` is the mean norm of raw image embeddings, which its output is given back.
    """

    def __init__(self, network: PriorTransformer, schedule, *, clip_weights: str, image_norm: float) -> None:
        self.network, self.schedule, self.clip_weights, self.image_norm = network, schedule, clip_weights, image_norm
        self.dim = int(network.config.embedding_dim)
        self.latent_shape = (self.dim,)

    def condition(self, embeds: torch.Tensor) -> torch.Tensor:
        unit = torch.nn.functional.normalize(embeds, dim=-1) * self.dim**0.5
        return unit.to(self.network.device, self.network.dtype)

    def null_condition(self, n: int) -> torch.Tensor:
        return torch.zeros(n, self.dim, device=self.network.device, dtype=self.network.dtype)

    def predict(self, x_t: torch.Tensor, t: int, cond: torch.Tensor) -> torch.Tensor:
        return self.network(x_t.to(self.network.dtype), t, proj_embedding=cond, return_dict=False)[0].float()


def load_prior(folder: Path, *, device: torch.device, dtype: torch.dtype) -> Prior:
    """The prior of a diffusers folder. Raises `CheckpointError` for one that is incomplete, corrupt or unknown."""
    index = read_index(folder)
    if index.get("_class_name") != "UnCLIPPrior":
        raise CheckpointError(
            f"load_space: expected an UnCLIPPrior in {str(folder)!r}, got {index.get('_class_name')!r}"
        )
    network = load_part(PriorTransformer, folder, "prior", device=device, dtype=dtype)
    return Prior(network, load_schedule(folder), clip_weights=index["clip_weights"], image_norm=index["image_norm"])
