"""Reading what the trainer of DALLE2-pytorch saves: tensors, and the version of the package as an object of ``packaging``."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from clipspace.errors import CheckpointError, shortened

_VERSION = (
    "packaging.version.Version",
    "packaging.version._Version",
    "packaging._structures.InfinityType",
    "packaging._structures.NegativeInfinityType",
)
"""Classes that a version consists of, by the releases of ``packaging`` since 2020. None of them is imported to read a file."""


class _Unread:
    """What stands for any of them, and keeps nothing."""

    def __new__(cls, *args: Any) -> _Unread:
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        pass


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """The tensors of the one file of weights in a folder; of ``best.pth`` where it lies beside ``latest.pth``.

    A pickle gives tensors and plain values alone, and runs no code. Raises `CheckpointError` for none or several files, and for
    one that cannot be read.
    """
    path = _file_of(folder)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        with torch.serialization.safe_globals([(_Unread, name) for name in _VERSION]):
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"load_space: could not read {str(path)!r} as plain tensors: {error}") from error
    except Exception as error:
        if type(error).__name__ != "SafetensorError":
            raise
        raise CheckpointError(f"load_space: {str(path)!r} is corrupt or truncated: {error}") from error
    return state.get("model", state)


def _file_of(folder: Path) -> Path:
    files = [path for pattern in ("*.safetensors", "*.pth", "*.pt") for path in sorted(folder.glob(pattern))]
    if {path.name for path in files} == {"best.pth", "latest.pth"}:
        return folder / "best.pth"
    if len(files) != 1:
        raise CheckpointError(
            f"load_space: expected one file of weights in {str(folder)!r}, got {shortened(path.name for path in files)}"
        )
    return files[0]
