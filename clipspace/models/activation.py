"""The activation of a CLIP: what its weights were trained with, and what a built model runs.

open_clip builds what the name of the architecture says, and only warns where the weights were trained with another
(open_clip#771): vectors of OpenAI's ViT-B-32 are then off by 0.15 a coordinate.
"""

from __future__ import annotations

import torch

from clipspace.errors import CheckpointError


def trained_with_quickgelu(identifier: str, tag: str | None) -> bool | None:
    """Whether weights that open_clip lists were trained with QuickGELU; None for those it does not list.

    ``identifier`` is an architecture with a ``tag``, or "hf-hub:org/name", where the list names that repository.
    """
    import open_clip

    if identifier.startswith("hf-hub:"):
        repository = identifier.removeprefix("hf-hub:").partition("@")[0] + "/"
        pairs = [(name, tag) for name, tag in open_clip.list_pretrained() if _home(name, tag) == repository]
    else:
        pairs = [(identifier, tag)] if tag and open_clip.get_pretrained_cfg(identifier, tag) else []
    listed = {bool(open_clip.get_pretrained_cfg(*pair).get("quick_gelu", False)) for pair in pairs}
    return listed.pop() if len(listed) == 1 else None


def _home(name: str, tag: str) -> str:
    import open_clip

    return open_clip.get_pretrained_cfg(name, tag).get("hf_hub", "")


def check_activation(model: torch.nn.Module, quickgelu: bool, name: str) -> None:
    """Raise `CheckpointError` unless all of open_clip's own blocks in ``model`` run the activation they are to run.

    ResNets, timm's and Hugging Face's towers bring their own, which no option of open_clip changes.
    """
    from open_clip.transformer import CustomResidualAttentionBlock, QuickGELU, ResidualAttentionBlock

    blocks = (b for b in model.modules() if isinstance(b, (ResidualAttentionBlock, CustomResidualAttentionBlock)))
    activations = (QuickGELU, torch.nn.GELU)
    running = {isinstance(m, QuickGELU) for block in blocks for m in block.modules() if isinstance(m, activations)}
    if running - {quickgelu}:
        expected, got = ("QuickGELU", "GELU") if quickgelu else ("GELU", "QuickGELU")
        raise CheckpointError(
            f"load_space({name!r}): its weights were trained with {expected}, got a model that runs {got}; load it by "
            "open_clip's architecture and tag (see open_clip.list_pretrained()), or correct quick_gelu in its "
            "open_clip_config.json"
        )
