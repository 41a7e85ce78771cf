"""Reading the file of an IP-Adapter, and telling its kind by the tensors in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from clipspace.errors import CheckpointError, shortened

_SECTIONS = ("image_proj.", "ip_adapter.")
_HIDDEN, _FACES = "the hidden states of the image encoder", "the vector of a face recogniser"
_OTHER_KINDS = {  # by a tensor that no kind below it has
    "image_proj.perceiver_resampler.proj_in.weight": ("FaceID Plus", _FACES),
    "image_proj.latents": ("Plus", _HIDDEN),
    "image_proj.proj.3.weight": ("Full Face", _HIDDEN),
    "image_proj.proj.0.weight": ("FaceID", _FACES),
}


def check_kind(file: Path) -> None:
    """Raise `CheckpointError` for a file that cannot be read, and for an adapter that takes other inputs than an embedding."""
    with _opened(file):
        pass


def read_adapter(file: Path) -> dict[str, torch.Tensor]:
    """The tensors of an adapter by name, ``image_proj.*`` and ``ip_adapter.*``; errors as those of `check_kind`."""
    with _opened(file) as opened:
        return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - it is no dictionary


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    from safetensors import safe_open

    if file.suffix != ".safetensors":
        raise CheckpointError(
            f"load_space: expected a .safetensors file as the adapter, got {str(file)!r}; most adapters are published as both, "
            "so name the .safetensors beside it"
        )
    try:
        with safe_open(file, framework="pt") as opened:
            _check_names(list(opened.keys()), file)
            yield opened
    except CheckpointError:
        raise
    except Exception as error:  # safetensors raises its own types for a broken file
        raise CheckpointError(
            f"load_space: the adapter {str(file)!r} is corrupt or truncated ({error}); get a whole copy"
        ) from error


def _check_names(names: list[str], file: Path) -> None:
    for tensor, (kind, reads) in _OTHER_KINDS.items():
        if tensor in names:
            raise CheckpointError(
                f"load_space: expected an IP-Adapter that reads image embeddings, such as ip-adapter_sd15.safetensors, got "
                f"{str(file)!r} of the kind {kind!r}, which reads {reads}; load the plain adapter of its base"
            )
    if "image_proj.proj.weight" not in names or not all(name.startswith(_SECTIONS) for name in names):
        raise CheckpointError(
            f"load_space: expected the weights of an IP-Adapter, image_proj.* and ip_adapter.*, in {str(file)!r}, got "
            f"{shortened(sorted(names))}; name the file of the adapter"
        )
