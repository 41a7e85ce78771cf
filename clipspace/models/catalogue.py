"""The spaces known by a short name, and where the folders of decoders and priors are found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clipspace.errors import CheckpointError, InputError
from clipspace.models.parts import IMAGE_ENCODER, Role
from clipspace.models.repositories import cached, cached_file, download_sizes, fetch, is_repository, sizes, split_file

MINI = Path(__file__).resolve().parent.parent / "mini"
_SAFETENSORS = "17e2bedc1469eab4446e3e2c0219b9e868bf0473"
"""The commit of sd-image-variations that holds safetensors; its branches hold pickles alone."""
_L14, _H14, _BIG = "ViT-L-14/openai", "ViT-H-14/laion2b_s32b_b79k", "ViT-bigG-14/laion2b_s39b_b160k"
CLIP_REPOSITORIES = {
    _L14: "timm/vit_large_patch14_clip_224.openai",
    _H14: "laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
    _BIG: "laion/CLIP-ViT-bigG-14-laion2B-39B-b160k",
}
"""Where open_clip takes the weights of the catalogue's CLIPs from."""
_CLIP_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""The files that it looks for, in this order."""


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
    adapter: str | None = None
    """The file of a repository, ``"org/name/path/in/it"``, that the decoder reads beside its folder."""

    def describe(self) -> dict[str, str | int]:
        """What `clipspace spaces` says of it."""
        missing = self.missing()
        return {
            "CLIP": "its own" if self.name == "mini" else self.clip,
            "dimension": self.dim,
            "decoder": "ships with clipspace" if self.name == "mini" else self.decoder,
            "prior": "yes" if self.prior else "no",
            "output": self.output,
            "licence": self.licence,
            "local": "no" if missing else "yes",
            "missing": ", ".join(missing),
            "about": self.about,
        } | ({"adapter": self.adapter} if self.adapter else {})

    def missing(self) -> list[str]:
        """Which of CLIP, decoder and prior this machine does not hold whole."""
        places: dict[Role, str | None] = {"decoder": self.decoder, "prior": self.prior}
        there = {role: place is None or Path(place).is_dir() or cached(place, role) for role, place in places.items()}
        there["decoder"] &= self.adapter is None or cached_file(self.adapter)
        return [part for part, whole in ({"CLIP": _clip_is_local(self.clip)} | there).items() if not whole]


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
            "kandinsky-2.1", _L14, "kandinsky-community/kandinsky-2-1", "kandinsky-community/kandinsky-2-1-prior",
            768, "512 px", "Apache-2.0", "reads a prompt too, and is given the empty one; shares its CLIP with karlo",
        ),
        Pairing(
            "stable-unclip-l", _L14, "sd2-community/stable-diffusion-2-1-unclip-small", None, 768, "768 px",
            "OpenRAIL++-M", "shares its CLIP with karlo and sd-image-variations",
        ),
        Pairing(
            "stable-unclip-h", _H14, "sd2-community/stable-diffusion-2-1-unclip", None, 1024,
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
        Pairing(
            "ip-adapter-sd15", _H14, "stable-diffusion-v1-5/stable-diffusion-v1-5", None, 1024, "512 px",
            "Apache-2.0 on CreativeML OpenRAIL-M", "any Stable Diffusion 1.5: decoder='ip-adapter-sd15@THE/FOLDER'",
            "h94/IP-Adapter/models/ip-adapter_sd15.safetensors",
        ),
        Pairing(
            "ip-adapter-sdxl", _BIG, "stabilityai/stable-diffusion-xl-base-1.0", None, 1280, "1024 px",
            "Apache-2.0 on OpenRAIL++-M", "takes Kandinsky 2.2's prior: prior='kandinsky-2.2'",
            "h94/IP-Adapter/sdxl_models/ip-adapter_sdxl.safetensors",
        ),
        Pairing(
            "ip-adapter-sdxl-h", _H14, "stabilityai/stable-diffusion-xl-base-1.0", None, 1024, "1024 px",
            "Apache-2.0 on OpenRAIL++-M", "", "h94/IP-Adapter/sdxl_models/ip-adapter_sdxl_vit-h.safetensors",
        ),
    )
}  # fmt: skip


_UNPAIRED = {
    "dalle2-pytorch": {
        "CLIP": _L14, "dimension": 768, "decoder": "a folder that you have", "prior": "a folder that you have",
        "output": "64 px", "licence": "MIT code; weights as published", "local": "no", "missing": "decoder",
        "about": "any checkpoint of the package dalle2-pytorch, which must be installed (see docs/decoders.md); "
        f"load_space('{_L14}', decoder='dalle2-pytorch@THE/FOLDER', prior='THE/FOLDER/OF/A/PRIOR')",
    },
    "gradient": {
        "CLIP": "any", "dimension": "that of the CLIP", "decoder": "needs no weights", "prior": "no",
        "output": "the size that the CLIP sees", "licence": "that of the CLIP", "local": "yes", "missing": "",
        "about": "optimises pixels until their embedding is the one asked for; load_space('ViT-B-32/openai', decoder='gradient')",
    },
}  # fmt: skip
"""Decoders that belong to no one row: of a folder that the user has, or of any CLIP."""


def describe_all() -> dict[str, dict[str, str | int]]:
    """What `clipspace spaces` says of each row, and of the decoders that are loaded with a CLIP named by the user."""
    return {name: row.describe() for name, row in CATALOGUE.items()} | {k: dict(v) for k, v in _UNPAIRED.items()}


def locate(place: str | Path, part: Role = "decoder", variant: str | None = None) -> tuple[Path, str | None]:
    """The folder of a decoder or prior, and the name it was asked for by.

    ``place`` is a folder, a repository ``"org/name"`` or ``"org/name:revision"``, a name of the catalogue, which stands for
    the ``part`` of its row, or ``"name@folder"`` and ``"name@org/name"``. Of a repository what is read is taken from the local
    cache, or downloaded where ``HF_HUB_OFFLINE`` is not set, in the ``variant`` asked for. Raises `CheckpointError` when it
    cannot be had.
    """
    where, name = _place(place, part)
    return (Path(where) if Path(where).is_dir() else fetch(where, part, variant)), name


def _place(place: str | Path, part: Role) -> tuple[str, str | None]:
    """The folder or repository of a decoder or prior, and the name it was asked for by."""
    if "@" in str(place) and Path(place).is_dir():
        return str(place), None
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
    if not (is_repository(where) or Path(where).is_dir()):
        raise CheckpointError(
            f"load_space: expected a folder, a repository 'org/name' or one of {sorted(CATALOGUE)}, "
            f"got {str(place)!r}; there is no such folder"
        )
    return where, name or None


def image_encoder(places: Mapping[Role, str | Path | None], variant: str | None = None) -> str:
    """The id of the ``image_encoder`` beside a prior or a decoder, the first of ``places`` that has one.

    Raises `CheckpointError` where none has.
    """
    asked = [_place(place, part)[0] for part, place in places.items() if place is not None]
    for where in asked:
        folder = Path(where) if Path(where).is_dir() else fetch(where, "encoder", variant)
        if (folder / IMAGE_ENCODER).is_dir():
            return f"transformers:{where}"
    raise CheckpointError(
        f"load_space: expected a part {IMAGE_ENCODER!r} in one of {asked}, found none; leave encoder out, or name an encoder"
    )


def download_size(pairing: Pairing) -> int:
    """Bytes of the CLIP, the decoder and the prior of a row that are read, as the hub states them; asks the network.

    Raises `CheckpointError` where it cannot be asked.
    """
    total: dict[tuple[str, str], int] = {}  # by repository and file, as a decoder and a prior may share both
    places: dict[Role, str | None] = {"decoder": pairing.decoder, "prior": pairing.prior}
    hosted = {role: place for role, place in places.items() if place is not None and not Path(place).is_dir()}
    try:
        for role, repo in hosted.items():
            total |= {(repo, name): size for name, size in download_sizes(repo, role).items()}
        if pairing.adapter is not None:
            repo, name = split_file(pairing.adapter)
            total[repo, name] = sizes(repo)[name]
        if pairing.clip in CLIP_REPOSITORIES:
            repo = CLIP_REPOSITORIES[pairing.clip]
            files = sizes(repo)
            name = next(name for name in _CLIP_FILES if name in files)
            total[repo, name] = files[name]
    except Exception as error:  # the hub raises many types; each means that it cannot be asked
        raise CheckpointError(
            f"spaces: could not ask for the size of {pairing.name!r} ({error}); leave --sizes out"
        ) from error
    return sum(total.values())


def _clip_is_local(clip: str) -> bool:
    if clip not in CLIP_REPOSITORIES:
        return Path(clip.removeprefix("local-dir:")).is_dir()
    from huggingface_hub import try_to_load_from_cache

    return any(isinstance(try_to_load_from_cache(CLIP_REPOSITORIES[clip], name), str) for name in _CLIP_FILES)


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
