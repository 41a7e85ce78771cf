"""IP-Adapter (Ye et al. 2023, arXiv 2308.06721): Stable Diffusion that attends to a CLIP embedding beside its prompt.

The folder of the decoder is that of the Stable Diffusion; the adapter is one file of weights for its UNet, an option. Adapters
that read more of an image than its embedding (Plus, Full Face, FaceID) are refused.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch

from clipspace.errors import CheckpointError, InputError
from clipspace.models.adapter_files import check_kind, read_adapter
from clipspace.models.autoencoder import Autoencoded, load_autoencoder
from clipspace.models.catalogue import CATALOGUE
from clipspace.models.contract import Encoder
from clipspace.models.empty_prompt import read_empty_prompt
from clipspace.models.facts import DecoderFacts
from clipspace.models.fitting import misfit
from clipspace.models.folders import PLAIN, Placement, check_config, load_part, read_index, side_of
from clipspace.models.offloading import device_of
from clipspace.models.precision import widened
from clipspace.models.repositories import fetch_file
from clipspace.models.scheduler_config import load_schedule

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, UNet2DConditionModel

_TOKENS = 4
"""Tokens that an adapter makes of an embedding."""
_COMMON = {
    "scale": "raw",
    "takes": "raw projection, as 4 tokens beside the empty prompt",
    "status": "current; any Stable Diffusion of its size in diffusers' layout",
    "resize_mode": "shortest",
}
_XL = _COMMON | {
    "class_names": ("StableDiffusionXLPipeline",),
    "null": "zeros, and zeros for the prompt",
    "output": "1024 px, KL latents",
    "guidance_scale": 5.0,
    "sampler": "Euler",
    "licence": "Apache-2.0 on OpenRAIL++-M",
}
SD15 = DecoderFacts(
    name="ip-adapter-sd15",
    class_names=("StableDiffusionPipeline",),
    clip=("ViT-H-14/laion2b_s32b_b79k",),
    dim=1024,
    null="zeros, and the empty prompt",
    output="512 px, KL latents",
    guidance_scale=7.5,
    sampler="PNDM",
    licence="Apache-2.0 on CreativeML OpenRAIL-M",
    **_COMMON,
)
SDXL = DecoderFacts(name="ip-adapter-sdxl", clip=("ViT-bigG-14/laion2b_s39b_b160k",), dim=1280, **_XL)
SDXL_H = DecoderFacts(name="ip-adapter-sdxl-h", clip=("ViT-H-14/laion2b_s32b_b79k",), dim=1024, **_XL)
FACTS = (SD15, SDXL, SDXL_H)
CHANGES_NETWORKS = True
"""The adapter is put into the UNet, so that a pipeline in memory is not used."""


class Prompt(NamedTuple):
    """The empty prompt: hidden states ``(1, length, width)``; of SDXL also pooled ``(1, d)``.

    ``null_is_zeros``: zeros stand for it where there is no condition, as SDXL's pipelines have it.
    """

    hidden: torch.Tensor
    pooled: torch.Tensor | None
    null_is_zeros: bool


class IPAdapter(Autoencoded):
    """A condition is z, and a last column that is 1 where the network reads the empty prompt and 0 where it reads zeros."""

    def __init__(
        self, unet: UNet2DConditionModel, vae: AutoencoderKL, schedule, *, facts: DecoderFacts, prompt: Prompt
    ) -> None:
        self.unet, self.schedule, self.facts = unet, schedule, facts
        self._set_autoencoder(vae, side_of(unet, "unet"))
        self.dim = int(unet.encoder_hid_proj.image_projection_layers[0].image_embeds.in_features)
        self.device, self.dtype = device_of(unet), unet.dtype
        self.prompt = Prompt(
            self._placed(prompt.hidden), None if prompt.pooled is None else self._placed(prompt.pooled),
            prompt.null_is_zeros,
        )  # fmt: skip
        size = [self.resolution, self.resolution]
        self.time_ids = self._placed(torch.tensor([[*size, 0, 0, *size]]))  # original size, crop, size asked for

    def _placed(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(self.device, self.dtype)

    def condition(self, z: torch.Tensor) -> torch.Tensor:
        return self._placed(torch.cat([z, torch.ones_like(z[:, :1])], dim=1))

    def null_condition(self, n: int) -> torch.Tensor:
        null = torch.zeros(n, self.dim + 1, device=self.device, dtype=self.dtype)
        null[:, -1] = 0 if self.prompt.null_is_zeros else 1
        return null

    def predict(self, x_t: torch.Tensor, t: int, cond: torch.Tensor) -> torch.Tensor:
        reads_prompt = cond[:, -1:]
        added = {"image_embeds": [cond[:, None, :-1]]}
        if self.prompt.pooled is not None:
            added |= {"text_embeds": reads_prompt * self.prompt.pooled, "time_ids": self.time_ids.expand(len(cond), -1)}
        hidden = reads_prompt[:, None] * self.prompt.hidden
        return widened(self.unet(x_t.to(self.dtype), t, encoder_hidden_states=hidden, added_cond_kwargs=added).sample)


def check(facts: DecoderFacts, *, adapter: str | Path | None = None, adapter_scale: float = 1.0) -> None:
    """Raise what is known before a CLIP is loaded: an `InputError` for the scale, a `CheckpointError` for the adapter."""
    number = isinstance(adapter_scale, (int, float)) and not isinstance(adapter_scale, bool)
    if not number or not math.isfinite(adapter_scale):
        raise InputError(f"load_space: expected adapter_scale as a number, usually 0.5 to 1, got {adapter_scale!r}")
    check_kind(_adapter_file(facts, adapter))


def load(
    facts: DecoderFacts,
    folder: Path,
    place: Placement,
    encoder: Encoder,
    *,
    adapter: str | Path | None = None,
    adapter_scale: float = 1.0,
) -> IPAdapter:
    """The Stable Diffusion of a folder, with an adapter put into its UNet.

    ``adapter`` is a file of safetensors, or a path inside a repository, ``"org/name/path/in/it.safetensors"``; that of the
    catalogue when None. ``adapter_scale`` weighs what is attended to of the embedding, and is 1 where no prompt is given.
    """
    from diffusers import UNet2DConditionModel

    file = _adapter_file(facts, adapter)
    large = facts.class_names == _XL["class_names"]
    prompt = (_empty_prompts if large else _empty_prompt)(folder, place.on_cpu())
    takes = PLAIN | {"addition_embed_type": "text_time" if large else None, "class_embed_type": None}

    def adapt(unet: UNet2DConditionModel) -> None:
        check_config(unet, "unet", in_channels=4, out_channels=4, **takes)
        _adapt(unet, file, float(adapter_scale), folder)

    unet = load_part(UNet2DConditionModel, folder, "unet", place, change=adapt)
    # SDXL's autoencoder overflows float16
    vae_place = replace(place, dtype=torch.float32) if large and place.dtype == torch.float16 else place
    return IPAdapter(unet, load_autoencoder(folder, vae_place), load_schedule(folder), facts=facts, prompt=prompt)


def _adapter_file(facts: DecoderFacts, adapter: str | Path | None) -> Path:
    how = "decoder_options={'adapter': '/the/file.safetensors'}"
    return fetch_file(str(adapter or CATALOGUE[facts.name].adapter), "adapter", how)


def _adapt(unet: UNet2DConditionModel, file: Path, scale: float, folder: Path) -> None:
    weights = read_adapter(file)
    if wrong := misfit(shapes_of(unet, dim=weights["image_proj.proj.weight"].shape[-1]), weights):
        raise CheckpointError(
            f"load_space: the adapter {str(file)!r} does not fit the unet of {str(folder)!r}: {wrong}; load it with the "
            "Stable Diffusion it was trained for, decoder='ip-adapter-sd15@THE/FOLDER'"
        )
    put_in(unet, weights, scale=scale)


def put_in(unet: UNet2DConditionModel, weights: Mapping[str, torch.Tensor], *, scale: float) -> None:
    """Put an adapter into a UNet by diffusers' own loader, which changes the UNet in place."""
    from diffusers.loaders import IPAdapterMixin

    class Pipeline(IPAdapterMixin):
        def __init__(self) -> None:
            self.unet = unet

    sections = {section: {} for section in ("image_proj", "ip_adapter")}
    for name, tensor in weights.items():
        section, _, key = name.partition(".")
        sections[section][key] = tensor
    pipeline = Pipeline()
    with _quiet("diffusers.models.modeling_utils"):  # which warns of layers to keep in float32, of which there are none
        pipeline.load_ip_adapter(sections, subfolder="", weight_name="", image_encoder_folder=None)
    pipeline.set_ip_adapter_scale(scale)


@contextmanager
def _quiet(logger: str) -> Iterator[None]:
    """Without the warnings of a logger."""
    level = logging.getLogger(logger).level
    logging.getLogger(logger).setLevel(logging.ERROR)
    try:
        yield
    finally:
        logging.getLogger(logger).setLevel(level)


def shapes_of(unet: UNet2DConditionModel, *, dim: int) -> dict[str, torch.Size]:
    """Names and shapes of an adapter's weights: a projection into tokens, and keys and values for each cross-attention."""
    width = int(unet.config.cross_attention_dim)
    shapes = {
        "image_proj.proj.weight": torch.Size([_TOKENS * width, dim]),
        "image_proj.proj.bias": torch.Size([_TOKENS * width]),
        "image_proj.norm.weight": torch.Size([width]),
        "image_proj.norm.bias": torch.Size([width]),
    }
    layers = [name.removesuffix(".processor") for name in unet.attn_processors if "attn2." in name]
    for i, layer in enumerate(layers):
        shape = unet.get_submodule(layer).to_k.weight.shape
        shapes |= {f"ip_adapter.{2 * i + 1}.to_{kind}_ip.weight": shape for kind in "kv"}
    return shapes


def _empty_prompt(folder: Path, place: Placement) -> Prompt:
    from transformers import CLIPTextModel

    output, _ = read_empty_prompt(CLIPTextModel, folder, place)
    return Prompt(output.last_hidden_state, None, null_is_zeros=False)


def _empty_prompts(folder: Path, place: Placement) -> Prompt:
    """Of both text encoders of SDXL."""
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    first, _ = read_empty_prompt(CLIPTextModel, folder, place)
    second, _ = read_empty_prompt(CLIPTextModelWithProjection, folder, place, "_2")
    hidden = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1)
    zeros = bool(read_index(folder).get("force_zeros_for_empty_prompt", True))
    return Prompt(hidden, second.text_embeds, null_is_zeros=zeros)
