"""Writing a trained network as a folder that `load_space` takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch

from clipspace.points.stamps import Stamp

_PARTS: dict[str, tuple[str, str]] = {"decoder": ("UnCLIPDecoder", "unet"), "prior": ("UnCLIPPrior", "prior")}
"""Name of the pipeline and of the network's folder, by kind."""


def save_folder(
    folder: Path,
    kind: Literal["decoder", "prior"],
    network: torch.nn.Module,
    scheduler: Any,
    stamp: Stamp,
    facts: Mapping[str, Any],
) -> Path:
    """Write ``folder`` in diffusers' layout, with ``facts`` and the stamp of the space in its index, which is written last."""
    pipeline, part = _PARTS[kind]
    folder.mkdir(parents=True, exist_ok=True)
    network.save_pretrained(folder / part)
    scheduler.save_pretrained(folder / "scheduler")
    index = {
        "_class_name": pipeline,
        part: ["diffusers", type(network).__name__],
        "scheduler": ["diffusers", type(scheduler).__name__],
        "clip": stamp.to_dict(),
    }
    (folder / "model_index.json").write_text(json.dumps(index | dict(facts), indent=2) + "\n", encoding="utf-8")
    return folder
