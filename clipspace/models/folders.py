"""Reading the parts of a diffusers folder, with errors that name the folder and the part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from clipspace.errors import CheckpointError


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


def load_part(cls, folder: Path, part: str, *, device: torch.device, dtype: torch.dtype):
    """The network ``part`` of a diffusers folder: safetensors only, every weight present, ready for inference."""
    if not (folder / part).is_dir():
        raise CheckpointError(f"load_space: expected a folder {part!r} in {str(folder)!r}; found none")
    try:
        network, info = cls.from_pretrained(
            folder, subfolder=part, torch_dtype=dtype, use_safetensors=True, local_files_only=True,
            low_cpu_mem_usage=False, output_loading_info=True,
        )  # fmt: skip
    except Exception as error:  # diffusers and safetensors raise many types for a broken folder
        raise CheckpointError(
            f"load_space: could not read {part!r} of {str(folder)!r}: {error}; get a whole copy"
        ) from error
    wrong = {kind: info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys") if info[kind]}
    if wrong:
        raise CheckpointError(f"load_space: the weights of {part!r} in {str(folder)!r} do not fit its config: {wrong}")
    return network.eval().requires_grad_(False).to(device)


def load_schedule(folder: Path):
    """The `diffusion.Schedule` of a folder's own diffusers scheduler (DDIM on its betas)."""
    from diffusers import DDIMScheduler

    from clipspace.diffusion import Schedule

    try:
        scheduler = DDIMScheduler.from_pretrained(folder, subfolder="scheduler", local_files_only=True)
    except Exception as error:
        raise CheckpointError(f"load_space: could not read the scheduler of {str(folder)!r}: {error}") from error

    def spacing(num_inference_steps: int) -> list[int]:
        scheduler.set_timesteps(num_inference_steps)
        return scheduler.timesteps.tolist()

    final = float(scheduler.final_alpha_cumprod)
    return Schedule(scheduler.alphas_cumprod.double(), final, scheduler.config.prediction_type, spacing)
