"""The parts of a diffusers folder that decoders and priors read, and the files that hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from clipspace.models.weight_files import absent_shards, choices, choose, files_in, is_weights

Role = Literal["decoder", "prior", "encoder"]
INDEXES = ("model_index.json", "decoder_config.json", "prior_config.json")
"""The files at the top of a repository that tell what it holds."""
IMAGE_ENCODER = "image_encoder"
"""The part that is the image tower of a CLIP."""
IMAGE_PROCESSORS = ("image_processor", "feature_extractor")
"""Parts that say how images are prepared for it."""
_SMALL = (".json", ".txt", ".model")
"""Ends of the names of configs, vocabularies and SentencePiece models."""
TOP = "."
"""The top of a repository that is one part itself."""
_UNCLIP = ("unet", "vae", "image_normalizer", "image_noising_scheduler", "text_encoder", "tokenizer", "scheduler")
_KANDINSKY_21 = ("unet", "movq", "text_encoder", "scheduler")
_DIFFUSION = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
_UPSAMPLER = ("super_res_first", "super_res_last", "super_res_scheduler")
"""Parts of Karlo that a folder may lack."""
_KARLO = ("decoder", "text_proj", "text_encoder", "tokenizer", "decoder_scheduler", *_UPSAMPLER)
READS: dict[Role, dict[str, tuple[str, ...]]] = {
    "decoder": {
        "KandinskyPipeline": _KANDINSKY_21,
        "KandinskyCombinedPipeline": _KANDINSKY_21,
        "KandinskyV22Pipeline": ("unet", "movq", "scheduler"),
        "KandinskyV22CombinedPipeline": ("unet", "movq", "scheduler"),
        "StableUnCLIPImg2ImgPipeline": _UNCLIP,
        "StableUnCLIPPipeline": _UNCLIP,
        "StableDiffusionImageVariationPipeline": ("unet", "vae", "scheduler"),
        "StableDiffusionPipeline": _DIFFUSION,
        "StableDiffusionXLPipeline": (*_DIFFUSION, "text_encoder_2", "tokenizer_2"),
        "UnCLIPPipeline": _KARLO,
        "UnCLIPImageVariationPipeline": _KARLO,
        "UnCLIPDecoder": ("unet", "scheduler"),
    },
    "prior": {
        "KandinskyPriorPipeline": ("prior", "text_encoder", "tokenizer", "scheduler"),
        "KandinskyV22PriorPipeline": ("prior", "text_encoder", "tokenizer", "scheduler"),
        "UnCLIPPipeline": ("prior", "text_encoder", "tokenizer", "prior_scheduler"),
        "UnCLIPPrior": ("prior", "scheduler"),
    },
    "encoder": {
        "KandinskyPriorPipeline": (IMAGE_ENCODER, "image_processor"),
        "KandinskyV22PriorPipeline": (IMAGE_ENCODER, "image_processor"),
        "StableUnCLIPImg2ImgPipeline": (IMAGE_ENCODER, "feature_extractor"),
        "StableDiffusionImageVariationPipeline": (IMAGE_ENCODER, "feature_extractor"),
        "UnCLIPImageVariationPipeline": (IMAGE_ENCODER, "feature_extractor"),
    },
}
"""By the pipeline that ``model_index.json`` names. Other parts, such as safety checkers, are not read."""


def parts_of(index: Mapping[str, Any], role: Role) -> tuple[str, ...]:
    """The parts that are read of a folder with this ``model_index.json``; none of a kind that is not known."""
    reads = READS[role].get(str(index.get("_class_name")), ())
    return tuple(part for part in reads if part not in _UPSAMPLER or part in index)


def files_read(names: Sequence[str], parts: Sequence[str], variant: str | None) -> tuple[list[str], list[str]]:
    """Of the files of a repository those that are read of ``parts``: the small ones, and the weights.

    Raises `CheckpointError` for a part whose weights cannot be read.
    """
    small, weights = [], []
    for part in parts:
        inside = [path.name for path in map(PurePosixPath, names) if str(path.parent) == part]
        read = [name for name in inside if name.endswith(_SMALL) and not is_weights(name)]
        small += [str(PurePosixPath(part, name)) for name in read]
        if any(map(is_weights, inside)):
            weights += [str(PurePosixPath(part, name)) for name in choose(inside, variant, repr(part)).names]
    return small, weights


def missing(folder: Path, parts: Sequence[str], variant: str | None = None) -> list[str]:
    """What a folder lacks of the files that are read of ``parts``."""
    return [str(PurePosixPath(part, name)) for part in parts for name in _missing(folder / part, variant)]


def _missing(part: Path, variant: str | None) -> list[str]:
    inside = files_in(part) if part.is_dir() else []
    if part.name.endswith("scheduler"):
        return [] if "scheduler_config.json" in inside else ["scheduler_config.json"]
    if part.name in IMAGE_PROCESSORS:
        return [] if "preprocessor_config.json" in inside else ["preprocessor_config.json"]
    if part.name.startswith("tokenizer"):
        words = [] if "tokenizer.json" in inside else ["vocab.json", "merges.txt"]
        return [name for name in ("tokenizer_config.json", *words) if name not in inside]
    lacking = [] if "config.json" in inside else ["config.json"]
    if not choices(inside):
        return [*lacking, "*.safetensors"]
    return [*lacking, *absent_shards(part, choose(inside, variant, repr(str(part))))]
