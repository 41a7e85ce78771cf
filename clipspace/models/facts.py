"""What is known of a decoder before it is loaded: one row of the table of decoders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Scale = Literal["raw", "any length"]


@dataclass(frozen=True)
class DecoderFacts:
    """One row of the table of decoders: what a decoder takes, gives and costs.

    Parameters
    ----------
    name : as in ``load_space(decoder=name)``
    class_names : pipelines whose folders hold it, as ``model_index.json`` names them
    clip : open_clip ids of the CLIP it was trained for, the first being the usual one
    dim : of that CLIP's embeddings
    scale : "raw" for the projection as it leaves the encoder; "any length" where only the direction is used
    takes : what is done with the vector before the network sees it
    null : what stands for "no condition" under classifier-free guidance
    guidance_scale : what its authors use where they draw the noise
    prior_guidance_scale : what the authors of the prior in the same repository use
    sampler : what its authors draw with, in place of the deterministic DDIM of all decoders here
    resize_mode : how images were made square for its training, as open_clip names it
    """

    name: str
    class_names: tuple[str, ...]
    clip: tuple[str, ...]
    dim: int
    scale: Scale
    takes: str
    null: str
    output: str
    guidance_scale: float
    sampler: str
    licence: str
    status: str
    resize_mode: Literal["squash", "shortest"] | None = None
    prior_guidance_scale: float = 1.0
