"""The mini world: rendered scenes whose every factor is known (PIL and numpy only)."""

from clipspace.scenes.captions import WORD_POLICY, Caption, caption
from clipspace.scenes.factors import consistent, factor_table
from clipspace.scenes.rendering import RESOLUTION, draw_card, render
from clipspace.scenes.sampling import (
    LAYOUTS,
    UNSEEN,
    ImpossibleChange,
    counterfactual,
    drawable,
    sample_scene,
    sample_scenes,
)
from clipspace.scenes.spec import (
    COLORS,
    GROUNDS,
    MENTIONS,
    POLICIES,
    RELATIONS,
    SIZES,
    TEXTURES,
    WORDS,
    Card,
    Scene,
    Thing,
)
from clipspace.scenes.things import SYMMETRIC, THINGS

__all__ = [
    "COLORS",
    "GROUNDS",
    "LAYOUTS",
    "MENTIONS",
    "POLICIES",
    "RELATIONS",
    "RESOLUTION",
    "SIZES",
    "SYMMETRIC",
    "TEXTURES",
    "THINGS",
    "UNSEEN",
    "WORDS",
    "WORD_POLICY",
    "Caption",
    "Card",
    "ImpossibleChange",
    "Scene",
    "Thing",
    "caption",
    "consistent",
    "counterfactual",
    "draw_card",
    "drawable",
    "factor_table",
    "render",
    "sample_scene",
    "sample_scenes",
]
