"""The spaces known by a short name, and where the folders of decoders and priors are found."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from clipspace.errors import CheckpointError, InputError

MINI = Path(__file__).resolve().parent.parent / "mini"
_SUFFIXES = (".json", ".safetensors", ".txt")
_SAFETENSORS = "17e2bedc1469eab4446e3e2c0219b9e868bf0473"
"""The commit of sd-image-variations that holds safetensors; its branches hold pickles alone."""
_UNREAD = ("safety_checker", "image_encoder", "feature_extractor")
"""Parts of a repository that no decoder or prior here reads."""
_L14, _BIG = "ViT-L-14/openai", "ViT-bigG-14/laion2b_s39b_b160k"


@dataclass(frozen=True)
class Pairing:
    """One row of the catalogue: an open_clip id, and the folder or repository of a decoder and of a prior.

    A repository is ``"org/name"``, or ``"org/name:revision"`` with a branch, tag, commit or ``refs/pr/N``.
    """

    name: str
    clip: str
    decoder: str
    prior: str | None
    dim: int
    output: str
    licence: str
    about: str = ""

    def describe(self) -> dict[str, str | int]:
        """What `clipspace spaces` says of it."""
        needed = [place for place in (self.decoder, self.prior) if place is not None]
        return {
            "CLIP": "its own" if self.name == "mini" else self.clip,
            "dimension": self.dim,
            "decoder": "ships with clipspace" if self.name == "mini" else self.decoder,
            "prior": "yes" if self.prior else "no",
            "output": self.output,
            "licence": self.licence,
            "local": "yes" if all(_is_local(place) for place in needed) else "no",
            "about": self.about,
        }


CATALOGUE: dict[str, Pairing] = {
    pairing.name: pairing
    for pairing in (
        Pairing(
            "mini", f"local-dir:{MINI / 'clip'}", str(MINI / "decoder"), str(MINI / "prior"), 128, "64 px", "MIT",
            "a small CLIP, decoder and prior of rendered scenes; nothing to download",
        ),
        Pairing(
            "kandinsky-2.2", _BIG, "kandinsky-community/kandinsky-2-2-decoder", "kandinsky-community/kandinsky-2-2-prior",
            1280, "512 px", "Apache-2.0", "sees the embedding alone, no text: the cleanest probe",
        ),
        Pairing(
            "stable-unclip-l", _L14, "sd2-community/stable-diffusion-2-1-unclip-small", None, 768, "768 px",
            "OpenRAIL++-M", "shares its CLIP with karlo and sd-image-variations",
        ),
        Pairing(
            "stable-unclip-h", "ViT-H-14/laion2b_s32b_b79k", "sd2-community/stable-diffusion-2-1-unclip", None, 1024,
            "768 px", "OpenRAIL++-M",
        ),
        Pairing(
            "karlo", _L14, "kakaobrain/karlo-v1-alpha", "kakaobrain/karlo-v1-alpha", 768, "256 px",
            "CreativeML OpenRAIL-M", "nearest to the DALL-E 2 decoder; inversion at its 64 px",
        ),
        Pairing(
            "sd-image-variations", _L14, f"lambdalabs/sd-image-variations-diffusers:{_SAFETENSORS}", None, 768, "512 px",
            "CreativeML OpenRAIL-M",
        ),
    )
}  # fmt: skip


def locate(place: str | Path, part: Literal["decoder", "prior"] = "decoder") -> tuple[Path, str | None]:
    """The folder of a decoder or prior, and the name it was asked for by.

    ``place`` is a folder, a repository ``"org/name"`` or ``"org/name:revision"``, a name of the catalogue, which stands for
    the ``part`` of its row, or ``"name@folder"`` and ``"name@org/name"``. A repository is taken from the local cache, and
    downloaded (safetensors and configs only) where ``HF_HUB_OFFLINE`` is not set. Raises `CheckpointError` when it cannot be
    had.
    """
    if "@" in str(place) and Path(place).is_dir():
        return Path(place), None
    name, at, where = str(place).partition("@")
    if not at:
        name, where = "", name
    if not at and where in CATALOGUE:
        row = CATALOGUE[where]
        name, where = where, row.decoder if part == "decoder" else row.prior
        if where is None:
            raise CheckpointError(
                f"load_space: {name!r} has no prior; expected the folder or repository of one in prior="
            )
    if Path(where).is_dir():
        return Path(where), name or None
    if where.partition(":")[0].count("/") != 1 or where.startswith((".", "/", "~")):
        raise CheckpointError(
            f"load_space: expected a folder, a repository 'org/name' or one of {sorted(CATALOGUE)}, "
            f"got {str(place)!r}; there is no such folder"
        )
    return _from_hub(where, part), name or None


def download_size(pairing: Pairing) -> int:
    """Bytes that the decoder and the prior of a row would download, as the hub states them; asks the network.

    Raises `CheckpointError` where it cannot be asked.
    """
    from huggingface_hub import model_info

    total = 0
    for place in (pairing.decoder, pairing.prior):
        if place is None or Path(place).is_dir():
            continue
        repo, _, revision = place.partition(":")
        try:
            files = model_info(repo, revision=revision or None, files_metadata=True).siblings or []
        except Exception as error:  # the hub raises many types; each means that it cannot be asked
            raise CheckpointError(
                f"spaces: could not ask for the size of {repo!r} ({error}); leave --sizes out"
            ) from error
        total += sum(file.size or 0 for file in files if file.rfilename.endswith(_SUFFIXES))
    return total


def is_offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").lower() in {"1", "true", "yes", "on"}


def _from_hub(repo: str, part: str) -> Path:
    import huggingface_hub

    wanted = [f"{where}*{suffix}" for where in ("", "**/") for suffix in _SUFFIXES]
    repo_id, _, revision = repo.partition(":")
    try:
        return Path(
            huggingface_hub.snapshot_download(
                repo_id, revision=revision or None, allow_patterns=wanted, local_files_only=is_offline()
            )
        )
    except Exception as error:  # the hub raises many types; each means that the files cannot be had
        why = "HF_HUB_OFFLINE forbids to download it" if is_offline() else f"it could not be downloaded ({error})"
        cure = "unset HF_HUB_OFFLINE, or copy" if is_offline() else "copy"
        raise CheckpointError(
            f"load_space: the {part} {repo!r} is not in the local cache, and {why}; {cure} the repository from a machine with a "
            f"network into a folder and load that, {part}='/the/folder'"
        ) from error


def _is_local(place: str) -> bool:
    if Path(place).is_dir():
        return True
    from huggingface_hub import try_to_load_from_cache

    repo, _, revision = place.partition(":")
    index = try_to_load_from_cache(repo, "model_index.json", revision=revision or None)
    if not isinstance(index, str):
        return False
    parts = [config.parent for config in Path(index).parent.glob("*/config.json") if config.parent.name not in _UNREAD]
    return bool(parts) and all(any(part.glob("*.safetensors")) for part in parts)


def pairing(name: str) -> Pairing | None:
    """The row of a name, or None. Raises `InputError` for a bare word that is neither a row nor an open_clip id."""
    if name in CATALOGUE:
        return CATALOGUE[name]
    if ":" in name or "/" in name:
        return None
    raise InputError(
        f"load_space: expected one of {sorted(CATALOGUE)} or an open_clip id such as 'ViT-B-32/openai', got {name!r}"
    )


def dimension_of(name: str) -> int | None:
    """Of the embeddings of a space, known before anything is loaded; None where only its weights tell."""
    if name in CATALOGUE:
        return CATALOGUE[name].dim
    if name.startswith("local-dir:"):
        try:
            config = json.loads((Path(name.removeprefix("local-dir:")) / "open_clip_config.json").read_text("utf-8"))
            return int(config["model_cfg"]["embed_dim"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
    import open_clip

    config = open_clip.get_model_config(name.partition("/")[0]) if "/" in name and ":" not in name else None
    return config and config["embed_dim"]
