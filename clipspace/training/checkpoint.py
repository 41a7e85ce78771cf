"""Checkpoints that survive a kill: whole or not there, and read without running code."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from clipspace.errors import CheckpointError, InputError
from clipspace.files import put


def save_checkpoint(path: Path, step: int, parts: Mapping[str, Any], **facts: Any) -> None:
    """Write the state of all ``parts`` after ``step`` steps, and plain ``facts``, atomically.

    A kill leaves the previous checkpoint whole. Raises `InputError` where it cannot be written, such as on a full disk.
    """
    part = path.with_suffix(".part")
    try:
        torch.save({"step": step, **facts, **{name: one.state_dict() for name, one in parts.items()}}, part)
        put(part, path)
    except (OSError, RuntimeError) as error:  # torch's writer raises RuntimeError on a full disk
        part.unlink(missing_ok=True)
        raise InputError(
            f"train: could not write the checkpoint {str(path)!r} ({' '.join(str(error).split())[:200]}); make room, and run the "
            "same again: it goes on from the one before"
        ) from error


def read_checkpoint(path: Path, parts: Mapping[str, Any]) -> dict[str, Any]:
    """Put the last checkpoint into ``parts`` and return its step and its facts; step 0 alone where there is none.

    Nothing is unpickled beyond tensors and plain values. Raises `CheckpointError` for a file that is not a whole
    checkpoint.
    """
    if not path.exists():
        return {"step": 0}
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"resume: expected a checkpoint of this run, got {str(path)!r}, which cannot be read ({error}); "
            "delete it to train from the start"
        ) from error
    for name, one in parts.items():
        one.load_state_dict(saved.pop(name))
    return saved
