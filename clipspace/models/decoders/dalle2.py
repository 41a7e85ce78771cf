"""DALLE2-pytorch (lucidrains 2022), the implementation in which DALL-E 2 was first rebuilt: its base decoder and prior.

Weights are published without the CLIP that their configs name, which the space brings. Of a folder that holds ``best.pth``
beside ``latest.pth``, as the priors' do, ``best.pth`` is read.

An extra: the package ``dalle2-pytorch`` asks for an older open_clip, which it does not need here, so it is installed without its
requirements in an environment of its own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from clipspace.diffusion.schedule import Schedule, clipping, thresholding
from clipspace.errors import CapabilityError, CheckpointError
from clipspace.models.contract import Encoder, Prior
from clipspace.models.diffusion_decoder import DiffusionDecoder
from clipspace.models.facts import DecoderFacts
from clipspace.models.fitting import misfit
from clipspace.models.folders import Placement
from clipspace.models.precision import working_dtype
from clipspace.models.trained_files import read_weights

CONFIG, PRIOR_CONFIG = "decoder_config.json", "prior_config.json"
DALLE2 = DecoderFacts(
    name="dalle2-pytorch",
    class_names=(CONFIG,),
    clip=("ViT-L-14/openai", "ViT-L-14-quickgelu/openai"),
    dim=768,
    scale="any length",
    takes="unit vector",
    null="a learned embedding",
    output="64 px, pixels",
    guidance_scale=1.7,
    sampler="DDPM, x_0 clipped or thresholded",
    licence="MIT code; weights as published",
    status="an extra, unmaintained since 2022",
    resize_mode="squash",
)
FACTS = (DALLE2,)


class Dalle2(DiffusionDecoder):
    """The first network of a DALLE2-pytorch `Decoder`, without text; its upsamplers are not used.

    A network that also reads texts is given those that its training put for a text left out.
    """

    facts = DALLE2

    def __init__(self, decoder, *, dim: int, place: Placement) -> None:
        self.unet, noise = decoder.unets[0], decoder.noise_schedulers[0]
        if getattr(self.unet, "self_cond", False):
            raise CheckpointError("load_space: this DALLE2-pytorch decoder conditions on its own output; not supported")
        self.channels, self.dim, self.device, self.dtype = int(decoder.channels), dim, place.device, place.dtype
        self.resolution = int(decoder.image_sizes[0])
        self.latent_shape = (self.channels, self.resolution, self.resolution)
        alphas = noise.alphas_cumprod.double().cpu()
        limit = thresholding(decoder.dynamic_thres_percentile, math.inf) if decoder.use_dynamic_thres else clipping(1.0)
        self.schedule = Schedule(alphas, float(alphas[0]), _prediction(decoder), _spacing(len(alphas)), limit)
        self.text_width = int(self.unet.text_embed_dim) if self.unet.cond_on_text_encodings else None

    def condition(self, z: torch.Tensor) -> torch.Tensor:
        """Unit vectors, and a last column that says whether a row is conditioned at all."""
        unit = torch.nn.functional.normalize(z.to(self.device, self.dtype), dim=-1)
        return torch.cat([unit, torch.ones_like(unit[:, :1])], dim=1)

    def null_condition(self, n: int) -> torch.Tensor:
        return torch.zeros(n, self.dim + 1, device=self.device, dtype=self.dtype)

    def predict(self, x_t: torch.Tensor, t: int, cond: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(x_t, dtype=working_dtype(self.dtype))
        for rows, drop in ((cond[:, -1] > 0, 0.0), (cond[:, -1] == 0, 1.0)):
            if rows.any():
                x = x_t[rows].to(self.dtype)
                times = torch.full((len(x),), t, device=self.device)
                texts = (
                    None if self.text_width is None else x.new_zeros(len(x), 1, self.text_width)
                )  # zeros are no text
                guess = self.unet(
                    x,
                    times,
                    image_embed=cond[rows, :-1],
                    text_encodings=texts,
                    image_cond_drop_prob=drop,
                    text_cond_drop_prob=1.0,
                )
                out[rows] = guess[:, : self.channels].to(out)
        return out

    def latents(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.float()

    def pixels(self, latents: torch.Tensor) -> torch.Tensor:
        return latents


class PriorCondition(NamedTuple):
    """Unit text embedding ``(n, d)``, hidden states ``(n, length, d)`` with zeros for padding, and whether to use them."""

    pooled: torch.Tensor
    hidden: torch.Tensor
    keep: torch.Tensor


class Dalle2Prior(Prior):
    """text -> image embedding by a DALLE2-pytorch `DiffusionPrior`; texts are read by the space's own encoder.

    It works on unit vectors times a scale, and gives unit vectors.
    """

    facts, reads_texts = DALLE2, True

    def __init__(self, prior, encoder: Encoder, *, place: Placement) -> None:
        if getattr(prior.net, "self_cond", False):
            raise CheckpointError("load_space: this DALLE2-pytorch prior conditions on its own output; not supported")
        self.net, self.encoder, self.device, self.dtype = prior.net, encoder, place.device, place.dtype
        self.reads_tokens, self.scale = bool(prior.condition_on_text_encodings), float(prior.image_embed_scale)
        self.dim = int(prior.image_embed_dim)
        self.latent_shape = (self.dim,)
        alphas = prior.noise_scheduler.alphas_cumprod.double().cpu()
        kind = "v_prediction" if prior.predict_v else "sample" if prior.predict_x_start else "epsilon"
        self.schedule = Schedule(alphas, 1.0, kind, _trailing(len(alphas)), _prior_limit(prior))

    def inputs(self, texts: Sequence[str], unit: np.ndarray) -> Sequence[str]:
        return texts

    def condition(self, z: Sequence[str]) -> PriorCondition:
        pooled, hidden = self.encoder.text_tokens(z)
        if not self.reads_tokens:
            hidden = hidden.new_zeros(len(z), 0, self.dim)
        pooled = torch.nn.functional.normalize(pooled, dim=-1)
        return PriorCondition(pooled.to(self.dtype), hidden.to(self.dtype), torch.ones(len(z), device=self.device))

    def null_condition(self, n: int) -> PriorCondition:
        cond = self.condition(["a"] * n)
        return cond._replace(keep=torch.zeros_like(cond.keep))

    def predict(self, x_t: torch.Tensor, t: int, cond: PriorCondition) -> torch.Tensor:
        out = torch.empty_like(x_t, dtype=working_dtype(self.dtype))
        for rows, drop in ((cond.keep > 0, 0.0), (cond.keep == 0, 1.0)):
            if rows.any():
                x = x_t[rows].to(self.dtype)
                texts = {"text_embed": cond.pooled[rows], "text_encodings": cond.hidden[rows]}
                times = torch.full((len(x),), t, device=self.device)
                out[rows] = self.net(x, times, text_cond_drop_prob=drop, image_cond_drop_prob=drop, **texts).to(out)
        return out

    def to_embeds(self, latents: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(latents, dim=-1)


def load(facts: DecoderFacts, folder: Path, place: Placement, encoder: Encoder) -> Dalle2:
    """The decoder of a folder with ``decoder_config.json`` and one file of weights, .safetensors or .pth.

    A .pth is read as tensors and plain values alone. Raises `CapabilityError` without the package, `CheckpointError` for
    weights that are missing, unreadable or do not fit the config.
    """
    decoder, config = _created(folder, CONFIG, "DecoderConfig", "decoder")
    decoder.unets[0].to(place.device, place.dtype).eval().requires_grad_(False)
    return Dalle2(decoder, dim=int(config["unets"][0]["image_embed_dim"]), place=place)


def load_prior(folder: Path, place: Placement, encoder: Encoder) -> Dalle2Prior:
    """The prior of a folder with ``prior_config.json`` and one file of weights; errors as those of `load`."""
    prior, _ = _created(folder, PRIOR_CONFIG, "DiffusionPriorConfig", "prior")
    prior.net.to(place.device, place.dtype).eval().requires_grad_(False)
    return Dalle2Prior(prior, encoder, place=place)


def _created(folder: Path, file: str, config_class: str, section: str) -> tuple[torch.nn.Module, dict[str, Any]]:
    """The package's own module of a config, every weight loaded, and the config."""
    try:
        from dalle2_pytorch import train_configs
    except ImportError as error:
        raise CapabilityError(
            f"load_space: {str(folder)!r} needs the package dalle2-pytorch, whose requirements exclude today's open_clip; install "
            "clipspace in an environment of its own, then pip install --no-deps dalle2-pytorch==1.15.6 and what it imports "
            "(docs/decoders.md lists it)"
        ) from error
    try:
        config = json.loads((folder / file).read_text())
        config = {key: value for key, value in config.get(section, config).items() if key != "clip"}
        module = getattr(train_configs, config_class)(**config).create()
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"load_space: could not read {file} of {str(folder)!r}: {error}") from error
    weights = {key: value for key, value in read_weights(folder).items() if not key.startswith("clip.")}
    if wrong := misfit({name: tensor.shape for name, tensor in module.state_dict().items()}, weights):
        raise CheckpointError(f"load_space: the weights in {str(folder)!r} do not fit its config: {wrong}")
    module.load_state_dict(weights)
    return module, config


def _prediction(decoder) -> str:
    if decoder.predict_v[0]:
        return "v_prediction"
    return "sample" if decoder.predict_x_start[0] else "epsilon"


def _prior_limit(prior):
    """What the package does to the x_0 that a prior predicts."""
    if not prior.predict_x_start:
        return clipping(1.0)
    if prior.sampling_clamp_l2norm:
        return lambda x_0: torch.nn.functional.normalize(x_0, dim=-1) * prior.image_embed_scale
    return None


def _spacing(total: int):
    def spacing(num_inference_steps: int) -> list[int]:
        """The package's own timesteps, of which the last, 0, is where it stops."""
        times = torch.linspace(0, total, num_inference_steps + 2)[:-1].int().tolist()
        return sorted(set(times), reverse=True)[:-1]

    return spacing


def _trailing(total: int):
    def spacing(num_inference_steps: int) -> list[int]:
        """Evenly from the last timestep down, the last step reaching the image."""
        return [round(total * (1 - i / num_inference_steps)) - 1 for i in range(num_inference_steps)]

    return spacing
