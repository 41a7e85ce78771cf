"""Encoders from folders and repositories in the format of transformers."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch

from clipspace.errors import CheckpointError
from clipspace.models.config_files import read_config
from clipspace.models.encoder import NetworkEncoder
from clipspace.models.folders import Placement, load_part
from clipspace.models.memory import ran_out
from clipspace.models.network import Network
from clipspace.models.parts import IMAGE_ENCODER, IMAGE_PROCESSORS
from clipspace.models.repositories import fetch, is_repository
from clipspace.models.resizing import ResizeMode
from clipspace.models.transformers_network import kind_of_model, transformers_network

PREFIX = "transformers:"
_STATED = ("image_mean", "image_std", "resample", "size")
"""What an image processor must say itself: transformers would fill it in."""


def is_transformers_folder(folder: Path) -> bool:
    """Whether a folder holds a model of transformers, and none of open_clip."""
    return (folder / "config.json").is_file() and not (folder / "open_clip_config.json").is_file()


def load_transformers_encoder(
    name: str,
    place: Placement,
    *,
    stamp_name: str | None = None,
    resize_mode: ResizeMode | None = None,
    seed: int | None = None,
) -> NetworkEncoder:
    """The encoder ``"transformers:FOLDER"`` or ``"transformers:org/name"``, also with a ``:revision``.

    The folder is one model's, or a pipeline's of diffusers, of which its ``image_encoder`` is taken. Preprocessing and
    tokenizer are its own. Its weights are drawn anew where a ``seed`` is given. Raises `CheckpointError` for what is missing,
    broken or states less than it takes to prepare images, `CapabilityError` for a kind of model that is not read.
    """
    where = name.removeprefix(PREFIX)
    folder = Path(where) if Path(where).is_dir() else _fetched(where, place.variant)
    if (folder / IMAGE_ENCODER).is_dir():
        folder = folder / IMAGE_ENCODER
    network = _network(folder, name, place, resize_mode, seed)
    try:
        return NetworkEncoder(
            network,
            name=stamp_name or name,
            identifier=name,
            device=place.device,
            dtype=place.dtype,
            offload=place.offload,
        )
    except (RuntimeError, ValueError, IndexError) as error:  # of its first images and texts
        if ran_out(error):
            raise
        raise CheckpointError(
            f"load_space({name!r}): the model could not read an image of {network.preparation.shape} or a text as its processor "
            f"prepares them: {error}; get the processor and the tokenizer of this model"
        ) from error


def _fetched(repo: str, variant: str | None) -> Path:
    if not is_repository(repo):
        raise CheckpointError(
            f"load_space: expected a folder or a repository 'org/name' after {PREFIX!r}, got {repo!r}; there is no such folder"
        )
    return fetch(repo, "encoder", variant)


def _network(folder: Path, name: str, place: Placement, resize_mode: ResizeMode | None, seed: int | None) -> Network:
    import transformers

    if not (folder / "config.json").is_file():
        other = "; it holds a model of open_clip: write 'local-dir:' before it" if _is_open_clip(folder) else ""
        raise CheckpointError(
            f"load_space({name!r}): expected config.json of transformers in {str(folder)!r}, got none{other or '; get a whole copy'}"
        )
    kind = kind_of_model(read_config(folder / "config.json").get("model_type"), name)
    processor = _load_image_processor(folder, name)
    tokenizer = _load_tokenizer(folder, name) if kind.reads_texts else None
    cls, folder = getattr(transformers, kind.cls), folder.resolve()
    if seed is None:
        model = load_part(cls, folder.parent, folder.name, place.on_cpu())
    else:
        model = _drawn(cls, folder, seed)
    return transformers_network(model, processor, tokenizer, name=name, resize_mode=resize_mode)


def _drawn(cls: Any, folder: Path, seed: int) -> torch.nn.Module:
    """The architecture of a folder with fresh weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return cls(cls.config_class.from_pretrained(folder, local_files_only=True)).eval().requires_grad_(False)


def _is_open_clip(folder: Path) -> bool:
    return (folder / "open_clip_config.json").is_file()


def _load_image_processor(folder: Path, name: str) -> Any:
    """Its image processor, of the steps of PIL where transformers has them, as open_clip has and CLIP was trained by."""
    import transformers
    from transformers import AutoImageProcessor

    beside = [folder, *(folder.parent / part for part in IMAGE_PROCESSORS if folder.name == IMAGE_ENCODER)]
    found = {path: _stated(path) for path in beside}
    home = next((path for path, stated in found.items() if stated is not None), None)
    if home is None:
        raise CheckpointError(
            f"load_space({name!r}): expected preprocessor_config.json in {str(folder)!r}, which says how images are prepared, got none; "
            "get a whole copy"
        )
    missing = [key for key in _STATED if key not in found[home]]
    if missing:
        raise CheckpointError(
            f"load_space({name!r}): expected {missing} in the preprocessor_config.json of {str(home)!r}; write there what the model "
            "was trained with"
        )
    by_pil = {"backend": "pil"} if int(transformers.__version__.partition(".")[0]) >= 5 else {"use_fast": False}
    return _loaded(AutoImageProcessor, home, name, "image processor", **by_pil)


def _stated(folder: Path) -> dict[str, Any] | None:
    """What the files of a folder say of its image processor."""
    for file, key in (("processor_config.json", "image_processor"), ("preprocessor_config.json", None)):
        if (folder / file).is_file():
            written = read_config(folder / file)
            if key is None or key in written:
                return written[key] if key else written
    return None


def _load_tokenizer(folder: Path, name: str) -> Any:
    from transformers import AutoTokenizer

    if not (folder / "tokenizer_config.json").is_file():
        raise CheckpointError(
            f"load_space({name!r}): expected a tokenizer in {str(folder)!r}, got no tokenizer_config.json; get a whole copy"
        )
    return _loaded(AutoTokenizer, folder, name, "tokenizer")


def _loaded(cls: Any, folder: Path, name: str, what: str, **options: Any) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of defaults that are overridden, and backends that are not there
            return cls.from_pretrained(folder, local_files_only=True, **options)
    except ImportError as error:
        raise CheckpointError(
            f"load_space({name!r}): its {what} needs a package that is not installed: {' '.join(str(error).split())}; SigLIP's takes "
            "pip install sentencepiece protobuf"
        ) from error
    except Exception as error:  # transformers and tokenizers raise many types for a broken file
        raise CheckpointError(
            f"load_space({name!r}): could not read the {what} of {str(folder)!r}: {' '.join(str(error).split())}; get a whole copy"
        ) from error
