"""Sizes of decoders: the network, the resolution, and the learning rate and batch that were found for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from clipspace.errors import InputError, check_count


@dataclass(frozen=True)
class Preset:
    """A U-Net on unshuffled pixels, and how it is trained.

    Parameters
    ----------
    resolution : side of its images in pixels
    unshuffle : side of the blocks of pixels that become channels; the network works on squares of ``resolution / unshuffle``
    channels : of each level; every level but the last halves the side
    attention : number of levels, counted from the smallest, that attend
    layers : residual blocks of a level
    heads : channels of an attention head
    groups : of a group normalisation
    batch_size : images of a step
    lr : learning rate of Muon; of AdamW it is a share (`optimiser.ADAMW_SHARE`)
    decay : share of the steps, the last ones, over which the rate falls to zero
    minutes : usual length of a run
    """

    resolution: int
    unshuffle: int
    channels: tuple[int, ...]
    attention: int
    layers: int
    heads: int = 64
    groups: int = 16
    batch_size: int = 32
    lr: float = 2.5e-3
    decay: float = 0.35
    minutes: float = 60.0

    @property
    def side(self) -> int:
        """Side of the squares that the network works on."""
        return self.resolution // self.unshuffle


PRESETS = {
    "tiny": Preset(64, 4, (96, 192, 192), attention=2, layers=1),
    "small": Preset(64, 2, (128, 256, 384, 512), attention=2, layers=2, groups=32, batch_size=128, minutes=240.0),
    "small-128": Preset(128, 4, (128, 256, 384, 512), attention=2, layers=2, groups=32, batch_size=128, minutes=480.0),
}
"""By name: "tiny" for a CPU and an hour, "small" and "small-128" for one GPU and hours."""


def preset_of(name: str) -> Preset:
    """The preset of a name. Raises `InputError` for an unknown one."""
    if name not in PRESETS:
        raise InputError(f"train: expected preset out of {sorted(PRESETS)}, got {name!r}")
    return PRESETS[name]


def network_config(preset: Preset, dim: int) -> dict[str, Any]:
    """Arguments of a diffusers ``UNet2DConditionModel`` that is told vectors of ``dim`` as class embeddings."""
    check_count("network_config: dim", dim)
    channels = 3 * preset.unshuffle**2
    plain = len(preset.channels) - preset.attention
    return {
        "sample_size": preset.side,
        "in_channels": channels,
        "out_channels": channels,
        "block_out_channels": preset.channels,
        "layers_per_block": preset.layers,
        "down_block_types": ("DownBlock2D",) * plain + ("AttnDownBlock2D",) * preset.attention,
        "mid_block_type": "UNetMidBlock2D",
        "up_block_types": ("AttnUpBlock2D",) * preset.attention + ("UpBlock2D",) * plain,
        "attention_head_dim": preset.heads,
        "norm_num_groups": preset.groups,
        "class_embed_type": "projection",
        "projection_class_embeddings_input_dim": dim,
        "resnet_time_scale_shift": "scale_shift",
    }
