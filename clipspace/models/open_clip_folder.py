"""Checks of a folder in the format of open_clip, before it is built."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from clipspace.errors import CheckpointError
from clipspace.models.config_files import read_config


def check_folder(folder: Path) -> None:
    """Raise `CheckpointError` unless a folder holds a CLIP of open_clip, whose config says how images are prepared."""
    if folder.is_dir() and not (folder / "open_clip_config.json").is_file() and (folder / "model_index.json").is_file():
        raise CheckpointError(
            f"load_space: expected a CLIP in {str(folder)!r}, got a pipeline of diffusers; write 'transformers:' before it for its "
            "image_encoder, or decoder= for its decoder"
        )
    for needed in ("open_clip_config.json", "open_clip_model.safetensors"):
        if not (folder / needed).is_file():
            raise CheckpointError(
                f"load_space: expected {needed} in {str(folder)!r}, which lacks it; get a whole copy of the model, or write "
                "'transformers:' before the folder of a model of transformers"
            )
    _check_config(read_config(folder / "open_clip_config.json"), f"open_clip_config.json of {str(folder)!r}")


def _check_config(config: dict[str, Any], where: str) -> None:
    """Nothing is guessed or dropped of how images are prepared, as open_clip would; nor is a word taken for true."""
    import open_clip

    prepared = config.get("preprocess_cfg")
    known = {field.name for field in fields(open_clip.transform.PreprocessCfg)}
    if not isinstance(prepared, dict) or prepared.keys() - known:
        raise CheckpointError(
            f"load_space: expected preprocess_cfg, an object of keys out of {sorted(known)}, in {where}, got {prepared!r}; "
            "get a whole copy of the config, or correct it"
        )
    for key in ("mean", "std"):
        numbers = prepared.get(key)
        whole = isinstance(numbers, list) and len(numbers) == 3 and all(isinstance(n, int | float) for n in numbers)
        if not whole or (key == "std" and min(numbers) <= 0):
            raise CheckpointError(
                f"load_space: expected {key} of three numbers{' above 0' * (key == 'std')} in the preprocess_cfg of {where}, "
                f"got {numbers!r}; write there what the weights were trained with"
            )
    network = config.get("model_cfg")
    quickgelu = network.get("quick_gelu", False) if isinstance(network, dict) else False
    if not isinstance(quickgelu, bool):
        raise CheckpointError(
            f"load_space: expected quick_gelu true or false in {where}, got {quickgelu!r}; correct it"
        )
