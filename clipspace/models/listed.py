"""The names that open_clip lists, and what to do where their weights cannot be had."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path

from clipspace.errors import CheckpointError, shortened


def check_listed(model: str, tag: str) -> None:
    """Raise `CheckpointError`, before anything is asked for, unless ``tag`` is a file or open_clip lists it for ``model``."""
    import open_clip

    if model not in open_clip.list_models():
        near = get_close_matches(model, open_clip.list_models(), 5, 0.5)
        raise CheckpointError(
            f"load_space: open_clip has no model {model!r}; the nearest names are {near}, and open_clip.list_models() has all"
        )
    if not Path(tag).suffix and not open_clip.get_pretrained_cfg(model, tag):
        tags = open_clip.list_pretrained_tags_by_model(model)
        raise CheckpointError(
            f"load_space: expected weights of {model} out of {shortened(tags, 30)}, or a .safetensors file, got {tag!r}"
        )


def why_not_loaded(error: Exception) -> str:
    """What went wrong in open_clip; of a download, which file was not there and how to bring it."""
    missing = re.search(r"Failed to download file \((.+?)\) for (\S+?)\. ", str(error))
    if missing is None:
        return f"open_clip could not load it: {error!r}"
    file, repository = missing.groups()
    return (
        f"{file} of the repository {repository} is neither in the local cache nor could it be downloaded; copy the "
        "repository from a machine with a network and name its folder, 'local-dir:THE/FOLDER'"
    )
