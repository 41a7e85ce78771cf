"""Reading the parts of a diffusers folder, with errors that name the folder and the part."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from clipspace.errors import CheckpointError, InputError
from clipspace.models.components import Components
from clipspace.models.config_files import read_config
from clipspace.models.memory import ran_out
from clipspace.models.offloading import offloaded
from clipspace.models.weight_files import absent_shards, choose, files_in, why_unreadable
from clipspace.points.stamps import Stamp, read_stamp

Source = Path | Components
"""A folder in diffusers' layout, or a pipeline in memory."""
PLAIN = {"addition_embed_type": None, "encoder_hid_dim_type": None, "time_cond_proj_dim": None}
"""Further inputs of a diffusers UNet that most decoders leave out."""
_LONGEST = 100_000
"""Tokens that no text encoder reads."""


@dataclass(frozen=True)
class Placement:
    """Where networks compute and in what; ``offload`` keeps weights in main memory and moves them layer by layer.

    ``variant`` names the files of weights that are read where a part has them, such as "fp16"; else the plain ones.
    """

    device: torch.device
    dtype: torch.dtype
    offload: bool = False
    variant: str | None = None

    def on_cpu(self) -> Placement:
        """The same files, on the CPU in float32."""
        return Placement(torch.device("cpu"), torch.float32, variant=self.variant)


def holds(folder: Source, part: str) -> bool:
    """Whether a folder, or a pipeline, has a part."""
    return folder.holds(part) if isinstance(folder, Components) else (folder / part).is_dir()


def read_index(folder: Source) -> dict[str, Any]:
    """The ``model_index.json`` of a diffusers folder, or what it would say of a pipeline."""
    if isinstance(folder, Components):
        return {"_class_name": folder.kind}
    path = folder / "model_index.json"
    if not path.is_file():
        raise CheckpointError(
            f"load_space: expected model_index.json in {str(folder)!r}, a diffusers folder; found none"
        )
    return read_config(path)


def kind_of(folder: Source, kinds: Iterable[str]) -> str | None:
    """What a folder holds: that of ``kinds`` which is the name of a file in it, else what ``model_index.json`` names."""
    if isinstance(folder, Components):
        return folder.kind
    files = [kind for kind in kinds if kind.endswith(".json") and (folder / kind).is_file()]
    return files[0] if files else read_index(folder).get("_class_name")


def clip_of(index: Mapping[str, Any]) -> Stamp | str:
    """The CLIP that a folder of ours was trained for: its stamp, or in folders of clipspace 0.1 the digest of its weights."""
    stamp = read_stamp(index.get("clip"))
    if stamp is not None:
        return stamp if stamp.function is not None else stamp.weights
    if "clip_weights" not in index:
        raise CheckpointError(
            "load_space: expected the stamp of a CLIP in model_index.json, got none; get a whole copy"
        )
    return index["clip_weights"]


def load_part(
    cls, folder: Source, part: str, place: Placement, *, change: Callable[[torch.nn.Module], None] | None = None
):
    """The network ``part`` of a folder, by its library's own loader: no code is run, and every weight is present.

    ``change`` is made to it in main memory, before it is moved or offloaded. That of a pipeline in memory is used as it is.
    """
    if isinstance(folder, Components):
        return _unchanged(cls, folder, part, change)
    if not (folder / part).is_dir():
        raise CheckpointError(f"load_space: expected a folder {part!r} in {str(folder)!r}; found none")
    weights = choose(files_in(folder / part), place.variant, repr(str(folder / part)))
    if absent := absent_shards(folder / part, weights):
        raise CheckpointError(
            f"load_space: {str(folder / part)!r} lacks {absent}, which its index names; get a whole copy"
        )
    _check_part(cls, folder, part)
    try:
        network, info = cls.from_pretrained(
            folder, subfolder=part, torch_dtype=place.dtype, variant=weights.variant, local_files_only=True,
            use_safetensors=weights.format == "safetensors",  # both libraries read .bin with weights_only=True
            low_cpu_mem_usage=find_spec("accelerate") is not None,  # built empty, and read straight into its dtype
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # so that all of them are listed below, not only the first, or none
        )  # fmt: skip
    except Exception as error:  # diffusers, transformers and safetensors raise many types for a broken folder
        if ran_out(error):
            raise
        why = why_unreadable(folder / part, weights) or f"{' '.join(str(error).split())}; get a whole copy"
        raise CheckpointError(f"load_space: could not read {part!r} of {str(folder)!r}: {why}") from error
    if wrong := _wrong(info):
        raise CheckpointError(f"load_space: the weights of {part!r} in {str(folder)!r} do not fit its config: {wrong}")
    if change is not None:
        change(network)
    network = network.eval().requires_grad_(False)
    return offloaded(network, place.device) if place.offload else network.to(place.device)


def _unchanged(cls, pipeline: Components, part: str, change: Callable | None):
    if change is not None:
        raise InputError(
            f"load_space: {part!r} of {pipeline} would be changed; give the folder or the repository it is of"
        )
    return pipeline.part(part, cls)


def _wrong(info: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Of what a loader tells: the weights that do not fit. Old files hold the numbers of positions, which are computed now."""
    kinds = ("missing_keys", "unexpected_keys", "mismatched_keys")
    names = {kind: sorted(info[kind]) for kind in kinds}
    names["unexpected_keys"] = [name for name in names["unexpected_keys"] if not name.endswith(".position_ids")]
    return {kind: found for kind, found in names.items() if found}


def load_scheduler(cls, folder: Source, part: str):
    """The diffusers scheduler of ``part``, whose config must name ``cls``."""
    if isinstance(folder, Components):
        folder.part(part, cls)
        return folder.scheduler(part)
    try:
        scheduler = cls.from_pretrained(folder, subfolder=part, local_files_only=True)
    except Exception as error:
        raise CheckpointError(f"load_space: could not read {part!r} of {str(folder)!r}: {error}") from error
    _check_named(cls, cls.load_config(folder / part), f"{part!r} of {str(folder)!r}")
    return scheduler


def load_tokenizer(folder: Source, part: str = "tokenizer"):
    """The CLIP tokenizer of a folder."""
    from transformers import CLIPTokenizer

    try:
        if isinstance(folder, Components):
            tokenizer = folder.part(part)
        else:
            tokenizer = CLIPTokenizer.from_pretrained(folder, subfolder=part, local_files_only=True)
    except Exception as error:
        raise CheckpointError(f"load_space: could not read the {part} of {str(folder)!r}: {error}") from error
    if tokenizer.model_max_length > _LONGEST:  # transformers puts 1e30 where a config is silent
        raise CheckpointError(
            f"load_space: expected model_max_length in tokenizer_config.json of {str(folder)!r}, the tokens that its text "
            "encoder reads (77 for CLIP), got none; get a whole copy, or write it there"
        )
    return tokenizer


def side_of(network: torch.nn.Module, part: str) -> int:
    """The side of the squares that a network works on, by its config. Raises `CheckpointError` for another shape, or none."""
    size = network.config.sample_size
    sides = size if isinstance(size, (list, tuple)) else [size]
    if not sides or not all(isinstance(side, int) and side > 0 for side in sides) or len(set(sides)) != 1:
        raise CheckpointError(
            f"load_space: expected sample_size, the side of a square, in the config.json of {part!r}, got {size!r}; write there "
            "the side, in latents, of the images it was trained on"
        )
    return int(sides[0])


def check_config(network: torch.nn.Module, part: str, **wanted: Any) -> None:
    """Raise `CheckpointError` unless a network is built as its decoder runs it: inputs that are left out go unnoticed."""
    got = {key: network.config.get(key) for key in wanted}
    other = {key: value for key, value in got.items() if value != wanted[key]}
    if other:
        raise CheckpointError(
            f"load_space: expected { ({key: wanted[key] for key in other}) } in the config.json of {part!r}, got {other}: this is "
            "another kind of network, which takes what is not given here; load the checkpoint of the decoder named"
        )


def _check_part(cls, folder: Path, part: str) -> None:
    """A part's config names the class that reads it, and nothing that this class would leave out."""
    path = folder / part / "config.json"
    written = read_config(path)
    if hasattr(cls, "config_class"):  # of transformers, which names the kind and not the class
        name, wanted = written.get("model_type"), cls.config_class.model_type
        if name not in (None, wanted):
            raise CheckpointError(f"load_space: expected model_type {wanted!r} in {str(path)!r}, got {name!r}")
        return
    _check_named(cls, written, str(path))
    takes = {*inspect.signature(cls.__init__).parameters, *getattr(cls, "_deprecated_kwargs", ())}
    unknown = {
        key: value
        for key, value in written.items()
        if key[0] != "_" and key not in takes and value not in (None, False)
    }
    if unknown:
        raise CheckpointError(
            f"load_space: {str(path)!r} sets {unknown}, which {cls.__name__} of this diffusers does not know and would leave "
            "out; update diffusers, or take them out where you know that they do nothing"
        )


def _check_named(cls, written: dict[str, Any], where: str) -> None:
    if (name := written.get("_class_name")) != cls.__name__:
        raise CheckpointError(
            f"load_space: expected a {cls.__name__} in {where}, got {name!r}; load the part made for it"
        )
