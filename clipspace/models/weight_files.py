"""Which files of weights a part of a diffusers folder holds, and which of them are read."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from clipspace.errors import CheckpointError

_NAME = re.compile(
    r"(?:diffusion_pytorch_model|pytorch_model|model)(?:\.(?P<variant>\w+))?(?:-\d+-of-\d+)?(?:\.(?P<late>\w+))?"
    r"\.(?P<format>safetensors|bin)(?P<index>\.index(?:\.(?P<last>\w+))?\.json)?"
)
"""As diffusers and transformers name them: whole, or in shards with an index; the variant stands in one of three places."""
_PICKLES = (".bin", ".pt", ".pth", ".ckpt")


class WeightFiles(NamedTuple):
    """One set of weights: its format, "safetensors" or "bin", its variant (None for the plain files), and its files."""

    format: str
    variant: str | None
    names: tuple[str, ...]


def is_weights(name: str) -> bool:
    """Whether a file holds weights, or is the index of such files."""
    return _NAME.fullmatch(name) is not None or name.endswith((".safetensors", *_PICKLES))


def choices(names: Iterable[str]) -> list[WeightFiles]:
    """The sets of weights among the names of a part's files that are read: safetensors, or .bin where there are none."""
    sets: dict[tuple[str, str | None], list[str]] = {}
    indexed = set()
    for name in sorted(names):
        if match := _NAME.fullmatch(name):
            key = (match["format"], match["variant"] or match["late"] or match["last"])
            sets.setdefault(key, []).append(name)
            if match["index"]:
                indexed.add(key)
    shards = {key: [n for n in sets[key] if "-of-" in n or ".index." in n] for key in indexed}
    best = "safetensors" if any(kind == "safetensors" for kind, _ in sets) else "bin"
    return [WeightFiles(*key, tuple(shards.get(key, sets[key]))) for key in sets if key[0] == best]


def choose(names: Iterable[str], variant: str | None, where: str) -> WeightFiles:
    """The set that is read: that of ``variant`` where the part has it, else the plain files, else the only variant.

    Raises `CheckpointError` for no weights that can be read, and for several variants without plain files.
    """
    names = list(names)
    sets = {weights.variant: weights for weights in choices(names)}
    for wanted in (variant, None):
        if wanted in sets:
            return sets[wanted]
    if len(sets) == 1:
        return next(iter(sets.values()))
    if sets:
        raise CheckpointError(
            f"load_space: {where} has weights of the variants {sorted(map(str, sets))}; pass variant="
        )
    pickles = sorted(name for name in names if name.endswith(_PICKLES))
    if pickles:
        raise CheckpointError(
            f"load_space: expected safetensors in {where}, got the pickle {pickles[0]!r}, which can run code when read; get the "
            "safetensors version of the model, or convert it where you trust it"
        )
    raise CheckpointError(
        f"load_space: expected weights in {where}, such as 'model.safetensors', got {sorted(names)}; get a whole copy"
    )


def absent_shards(part: Path, weights: WeightFiles) -> list[str]:
    """The files that the index of a set names and that the folder of the part lacks."""
    named: set[str] = set()
    for name in weights.names:
        if name.endswith(".json"):
            try:
                named |= set(json.loads((part / name).read_text(encoding="utf-8"))["weight_map"].values())
            except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
                raise CheckpointError(
                    f"load_space: could not read {str(part / name)!r} as an index of weights: {error!r}; get a whole copy"
                ) from error
    return sorted(name for name in named if not (part / name).is_file())


def files_in(part: Path) -> list[str]:
    """The names of the files of a part's folder; a link to nothing is no file."""
    return sorted(path.name for path in part.iterdir() if path.is_file())


def variants_of(folder: Path) -> set[str]:
    """The variants that some part of a folder has."""
    parts = [files_in(part) for part in folder.iterdir() if part.is_dir()]
    return {weights.variant for names in parts for weights in choices(names) if weights.variant is not None}


def check_variant(folder: Path, variant: str | None) -> None:
    """Raise `CheckpointError` unless some part of a folder has a variant."""
    if variant is not None and variant not in (known := variants_of(folder)):
        expected = f"variant out of {sorted(known)}" if known else "no variant, as there is none"
        raise CheckpointError(
            f"load_space: expected {expected} in {str(folder)!r}, got {variant!r}; leave it out for the plain files"
        )


def why_unreadable(part: Path, weights: WeightFiles) -> str | None:
    """Of .bin files that could not be loaded: which one holds more than tensors. None for another reason."""
    import torch

    for name in weights.names if weights.format == "bin" else ():
        if not name.endswith(".json"):
            try:
                torch.load(part / name, map_location="cpu", weights_only=True)
            except pickle.UnpicklingError:
                return (
                    f"{name!r} is a pickle that holds more than tensors, or is broken, and reading more can run code; get the "
                    "safetensors version of the model, or convert it where you trust it"
                )
            except Exception as error:  # torch raises many types for a broken file
                return f"{name!r} is cut short or broken ({error!r}); get a whole copy"
    return None
