"""Reading the file of an IP-Adapter, and telling its kind by the tensors in it."""

from __future__ import annotations

from pathlib import Path

import torch

from clipspace.errors import CheckpointError, shortened

SECTIONS = ("image_proj", "ip_adapter")
_HIDDEN, _FACES = "the hidden states of the image encoder", "the vector of a face recogniser"
_OTHER_KINDS = {  # by a tensor that no other kind below it has
    "image_proj.perceiver_resampler.proj_in.weight": ("FaceID Plus", _FACES),
    "image_proj.latents": ("Plus", _HIDDEN),
    "image_proj.proj.3.weight": ("Full Face", _HIDDEN),
    "image_proj.proj.0.weight": ("FaceID", _FACES),
}


def read_adapter(file: Path, *, metadata_only: bool = False) -> dict[str, dict[str, torch.Tensor]]:
    """The tensors of an adapter by section and name; empty sections, for a check of its kind alone, with ``metadata_only``.

    Raises `CheckpointError` for a file that cannot be read, and for an adapter that takes other inputs than an embedding.
    """
    from safetensors import safe_open

    if file.suffix != ".safetensors":
        raise CheckpointError(
            f"load_space: expected a .safetensors file as the adapter, got {str(file)!r}; most adapters are published as both, "
            "so name the .safetensors beside it"
        )
    try:
        with safe_open(file, framework="pt") as opened:
            names = list(opened.keys())
            _check_kind(names, file)
            read = [] if metadata_only else names
            return {
                section: {
                    name.removeprefix(f"{section}."): opened.get_tensor(name)
                    for name in read
                    if name.startswith(f"{section}.")
                }
                for section in SECTIONS
            }
    except CheckpointError:
        raise
    except Exception as error:  # safetensors raises its own types for a broken file
        raise CheckpointError(
            f"load_space: the adapter {str(file)!r} is corrupt or truncated ({error}); get a whole copy"
        ) from error


def _check_kind(names: list[str], file: Path) -> None:
    for tensor, (kind, reads) in _OTHER_KINDS.items():
        if tensor in names:
            raise CheckpointError(
                f"load_space: expected an IP-Adapter that reads image embeddings, such as ip-adapter_sd15.safetensors, got "
                f"{str(file)!r} of the kind {kind!r}, which reads {reads}; load the plain adapter of its base"
            )
    others = [name for name in names if not name.startswith(tuple(f"{section}." for section in SECTIONS))]
    if others or "image_proj.proj.weight" not in names:
        raise CheckpointError(
            f"load_space: expected the weights of an IP-Adapter, image_proj.* and ip_adapter.*, in {str(file)!r}, got "
            f"{shortened(sorted(names))}; name the file of the adapter"
        )
