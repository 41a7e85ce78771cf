"""Repositories of decoders, priors and encoders on the hub: what of them is read is downloaded, or found in the local cache."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from clipspace.errors import CheckpointError, shortened
from clipspace.models.config_files import read_config
from clipspace.models.parts import INDEXES, TOP, Role, files_read, missing, parts_of

_TOP_WEIGHTS = (".safetensors", ".pth", ".pt")
"""Files of weights of DALLE2-pytorch, which lie at the top of a repository."""


def is_repository(place: str) -> bool:
    """Whether a place is written as ``"org/name"`` or ``"org/name:revision"``, and not as a path."""
    return place.partition(":")[0].count("/") == 1 and not place.startswith((".", "/", "~"))


def _revised(repo: str) -> tuple[str, str | None]:
    """The id of a repository, and the revision asked for; None for its main branch."""
    repo_id, _, revision = repo.partition(":")
    return repo_id, revision or None


def is_offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").lower() in {"1", "true", "yes", "on"}


def fetch(repo: str, role: Role, variant: str | None = None) -> Path:
    """The folder of a repository, ``"org/name"`` or ``"org/name:revision"``, with all that is read of it.

    Only these files are downloaded, the small ones first, and none where ``HF_HUB_OFFLINE`` is set. Raises `CheckpointError`
    where it cannot be had.
    """
    if is_offline():
        return _from_cache(repo, role, variant, "HF_HUB_OFFLINE forbids to download it; unset HF_HUB_OFFLINE, or copy")
    try:
        names = sorted(sizes(repo))
    except Exception as error:  # the hub raises many types; each means that it cannot be asked
        return _from_cache(repo, role, variant, _why_not(repo, error), error)
    try:
        folder = _downloaded(repo, [name for name in INDEXES if name in names])
        small, weights = _read_of(names, folder, role, variant)
        for files in (small, weights):
            _downloaded(repo, files)
    except CheckpointError as error:  # of the names of its files
        raise CheckpointError(f"{error} (the repository {repo!r})") from error
    except Exception as error:
        raise CheckpointError(
            f"load_space: could not download the {role} {repo!r}: {_line(error)}; what has come stays in the cache: load it again to "
            f"go on, or copy the repository from another machine into a folder and load that, {_copied(role)}"
        ) from error
    return folder


def fetch_file(place: str, what: str, how: str) -> Path:
    """One file: a path on this machine, or ``"org/name/path/in/it"`` of a repository, with ``":revision"`` after it.

    It is downloaded, or found in the local cache where ``HF_HUB_OFFLINE`` is set. Raises `CheckpointError`, which says ``what``
    could not be had and ``how`` to name a copy of it.
    """
    import huggingface_hub

    if Path(place).is_file():
        return Path(place)
    if place.partition(":")[0].count("/") < 2 or place.startswith((".", "/", "~")):
        raise CheckpointError(
            f"load_space: expected the {what} as a file, or as 'org/name/path/in/the/repository', got {place!r}; there is no such "
            "file"
        )
    repo, name = split_file(place)
    repo_id, revision = _revised(repo)
    offline = is_offline()
    try:
        return Path(huggingface_hub.hf_hub_download(repo_id, name, revision=revision, local_files_only=offline))
    except Exception as error:  # the hub raises many types; each means that it cannot be had
        why = (
            "HF_HUB_OFFLINE forbids to download it; unset HF_HUB_OFFLINE, or copy" if offline else _why_not(repo, error)
        )
        raise CheckpointError(
            f"load_space: the {what} {place!r} is not in the local cache, and {why} the file from a machine with a network and "
            f"name it, {how}"
        ) from error


def split_file(place: str) -> tuple[str, str]:
    """The repository, with its revision, and the name in it of ``"org/name/path/in/it:revision"``."""
    path, at, revision = place.partition(":")
    org, repo, name = path.split("/", 2)
    return f"{org}/{repo}{at}{revision}", name


def cached_file(place: str) -> bool:
    """Whether this machine holds the file that `fetch_file` would fetch."""
    from huggingface_hub import try_to_load_from_cache

    repo, name = split_file(place)
    repo_id, revision = _revised(repo)
    return isinstance(try_to_load_from_cache(repo_id, name, revision=revision), str)


def cached(repo: str, role: Role) -> bool:
    """Whether the local cache holds all that is read of a repository."""
    folder = _snapshot(repo)
    try:
        return folder is not None and not _lacking(folder, role, None)
    except CheckpointError:  # a file that cannot be read, which loading it names
        return False


def sizes(repo: str) -> dict[str, int]:
    """The files of a repository and their bytes, as the hub states them; asks the network."""
    from huggingface_hub import model_info

    repo_id, revision = _revised(repo)
    siblings = model_info(repo_id, revision=revision, files_metadata=True).siblings or []
    return {file.rfilename: file.size or 0 for file in siblings}


def download_sizes(repo: str, role: Role) -> dict[str, int]:
    """Of `sizes`, the files that `fetch` reads."""
    bytes_of = sizes(repo)
    indexes = [name for name in INDEXES if name in bytes_of]
    small, weights = _read_of(sorted(bytes_of), _downloaded(repo, indexes), role, None)
    return {name: bytes_of[name] for name in (*indexes, *small, *weights)}


def _read_of(names: Sequence[str], folder: Path, role: Role, variant: str | None) -> tuple[list[str], list[str]]:
    """The small files and the weights that are read, by the index that ``folder`` holds."""
    if f"{role}_config.json" in names:
        top = [name for name in names if "/" not in name and name.endswith(_TOP_WEIGHTS)]
        return [], [name for name in top if name != "latest.pth" or "best.pth" not in top]
    return files_read(names, _parts(folder, role), variant)


def _parts(folder: Path, role: Role) -> tuple[str, ...]:
    """The parts that are read of a repository, by the index that ``folder`` holds; an encoder may be one without an index."""
    index = folder / INDEXES[0]
    if index.is_file():
        return parts_of(read_config(index), role)
    return (TOP,) if role == "encoder" else ()


def _downloaded(repo: str, names: Sequence[str]) -> Path:
    import huggingface_hub

    repo_id, revision = _revised(repo)
    return Path(huggingface_hub.snapshot_download(repo_id, revision=revision, allow_patterns=list(names)))


def _snapshot(repo: str) -> Path | None:
    """What the local cache holds of a repository."""
    import huggingface_hub

    repo_id, revision = _revised(repo)
    try:
        return Path(huggingface_hub.snapshot_download(repo_id, revision=revision, local_files_only=True))
    except Exception:  # the hub raises many types; each means that it is not there
        return None


def _lacking(folder: Path, role: Role, variant: str | None) -> list[str]:
    """The files that are read and that a folder does not hold."""
    if (folder / f"{role}_config.json").is_file():
        return [] if any(path.suffix in _TOP_WEIGHTS for path in folder.iterdir()) else ["the weights"]
    parts = _parts(folder, role)
    return missing(folder, parts, variant) if parts or (folder / INDEXES[0]).is_file() else [INDEXES[0]]


def _from_cache(repo: str, role: Role, variant: str | None, why: str, cause: Exception | None = None) -> Path:
    """``why`` it is not downloaded, which ends in what to do instead."""
    folder = _snapshot(repo)
    lacking = [] if folder is None else _lacking(folder, role, variant)
    if folder is not None and not lacking:
        return folder
    there = f"lacks {shortened(lacking)} in the local cache" if lacking else "is not in the local cache"
    raise CheckpointError(
        f"load_space: the {role} {repo!r} {there}, and {why} the repository from a machine with a network into a folder and load "
        f"that, {_copied(role)}"
    ) from cause


def _copied(role: Role) -> str:
    return "'transformers:/the/folder'" if role == "encoder" else f"{role}='/the/folder'"


def _why_not(repo: str, error: Exception) -> str:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    repo_id, revision = _revised(repo)
    if isinstance(error, GatedRepoError):
        return f"it is gated; accept its terms at https://huggingface.co/{repo_id} and log in (hf auth login), or copy"
    if isinstance(error, RepositoryNotFoundError):
        return "the hub shows no such repository; check its name, log in if it is private (hf auth login), or copy"
    if isinstance(error, RevisionNotFoundError):
        return f"it has no branch, tag, commit or request {revision!r}; check the revision, or copy"
    return f"the hub could not be asked ({_line(error)}); try again, or copy"


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
