"""Reading the parts of a diffusers folder, with errors that name the folder and the part."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from clipspace.errors import CapabilityError, CheckpointError


@dataclass(frozen=True)
class Placement:
    """Where networks compute and in what; ``offload`` keeps weights in main memory and moves them layer by layer."""

    device: torch.device
    dtype: torch.dtype
    offload: bool = False


def read_index(folder: Path) -> dict[str, Any]:
    """The ``model_index.json`` of a diffusers folder."""
    path = folder / "model_index.json"
    if not path.is_file():
        raise CheckpointError(
            f"load_space: expected model_index.json in {str(folder)!r}, a diffusers folder; found none"
        )
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise CheckpointError(f"load_space: {str(path)!r} is not valid JSON ({error}); get a whole copy") from error


def load_part(cls, folder: Path, part: str, place: Placement):
    """The network ``part`` of a folder, by its library's own loader: safetensors only, every weight present."""
    if not (folder / part).is_dir():
        raise CheckpointError(f"load_space: expected a folder {part!r} in {str(folder)!r}; found none")
    _refuse_pickles(folder / part)
    try:
        network, info = cls.from_pretrained(
            folder, subfolder=part, torch_dtype=place.dtype, use_safetensors=True, local_files_only=True,
            low_cpu_mem_usage=False, output_loading_info=True,
            ignore_mismatched_sizes=True,  # so that all of them are listed below, not only the first, or none
        )  # fmt: skip
    except Exception as error:  # diffusers, transformers and safetensors raise many types for a broken folder
        raise CheckpointError(
            f"load_space: could not read {part!r} of {str(folder)!r}: {error}; get a whole copy"
        ) from error
    wrong = {kind: sorted(info[kind]) for kind in ("missing_keys", "unexpected_keys", "mismatched_keys") if info[kind]}
    if wrong:
        raise CheckpointError(f"load_space: the weights of {part!r} in {str(folder)!r} do not fit its config: {wrong}")
    return _place(network.eval().requires_grad_(False), place)


def load_scheduler(cls, folder: Path, part: str, **changes):
    """A diffusers scheduler from the config of ``part``, with some of its entries changed."""
    try:
        return cls.from_pretrained(folder, subfolder=part, local_files_only=True, **changes)
    except Exception as error:
        raise CheckpointError(f"load_space: could not read {part!r} of {str(folder)!r}: {error}") from error


def load_tokenizer(folder: Path):
    """The CLIP tokenizer of a folder."""
    from transformers import CLIPTokenizer

    try:
        return CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer", local_files_only=True)
    except Exception as error:
        raise CheckpointError(f"load_space: could not read the tokenizer of {str(folder)!r}: {error}") from error


def load_schedule(folder: Path, part: str = "scheduler"):
    """The `diffusion.Schedule` of a checkpoint: the noise levels it was trained with, visited by DDIM.

    Clipping is left out, for a clipped step has no inverse. Karlo's own scheduler names no spacing; it
    spreads timesteps from the last to 0, which diffusers calls "linspace".
    """
    from diffusers import DDIMScheduler

    from clipspace.diffusion import Schedule

    config = _read_config(folder, part)
    of_karlo = config.get("_class_name") == "UnCLIPScheduler"
    changes = {"timestep_spacing": "linspace", "beta_schedule": "squaredcos_cap_v2"} if of_karlo else {}
    scheduler = load_scheduler(DDIMScheduler, folder, part, **changes)

    def spacing(num_inference_steps: int) -> list[int]:
        scheduler.set_timesteps(num_inference_steps)
        return scheduler.timesteps.tolist()

    final = float(scheduler.final_alpha_cumprod)
    return Schedule(scheduler.alphas_cumprod.double(), final, scheduler.config.prediction_type, spacing)


def _read_config(folder: Path, part: str) -> dict[str, Any]:
    path = folder / part / "scheduler_config.json"
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"load_space: could not read the {part} of {str(folder)!r}: {error}") from error


def _refuse_pickles(part: Path) -> None:
    if any(part.glob("*.safetensors")) or any(part.glob("*.safetensors.index.json")):
        return
    pickles = sorted(p.name for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt") for p in part.glob(pattern))
    if pickles:
        raise CheckpointError(
            f"load_space: expected safetensors in {str(part)!r}, got the pickle {pickles[0]!r}, which can run code when "
            "read; get the safetensors version of the model, or convert it where you trust it"
        )


def device_of(network: torch.nn.Module) -> torch.device:
    """Where a network computes, offloaded or not."""
    return getattr(network, "computes_on", next(network.parameters()).device)


def _place(network: torch.nn.Module, place: Placement) -> torch.nn.Module:
    if not place.offload:
        return network.to(place.device)
    try:
        from accelerate import cpu_offload
    except ImportError as error:
        raise CapabilityError("offload: expected the package accelerate; pip install 'clipspace[offload]'") from error
    network = cpu_offload(network, execution_device=place.device)
    network.computes_on = place.device  # its parameters are on none while they wait
    return network
