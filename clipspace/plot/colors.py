"""Colours of points, for labels and for numbers on a scale; figures and pages use the same."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import ImageColor

from clipspace.scenes.spec import COLORS, GROUNDS

# The ten colours of Petroff 2021 (arXiv 2107.02270), less its two greys, which are left for what has no colour.
PALETTE = ("#3f90da", "#ffa90e", "#bd1f01", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#92dadd")
SHAPES = ("circle", "diamond", "triangle-up")  # shapes of markers; the palette repeats in each

# Viridis (van der Walt and Smith 2015) in 32 steps, dark to light.
# fmt: off
SCALE = (
    "#440154", "#470d60", "#48186a", "#482374", "#472e7c", "#453882", "#424186", "#3e4a89",
    "#3a548c", "#365d8d", "#32658e", "#2e6d8e", "#2b758e", "#287d8e", "#25848e", "#228c8d",
    "#1f948c", "#1e9c89", "#20a386", "#25ab82", "#2eb37c", "#3aba76", "#48c16e", "#58c765",
    "#6ccd5a", "#7fd34e", "#93d741", "#a8db34", "#c0df25", "#d5e21a", "#eae51a", "#fde725",
)
# fmt: on


def named_colors(labels: Sequence[str]) -> list[str] | None:
    """The colour that each label names, as ``#rrggbb``: CSS's names, and those of scenes. None unless all name one.

    >>> named_colors(["red", "black", "#00ff00"])
    ['#d4262a', '#18181c', '#00ff00']
    >>> named_colors(["red", "apple"]) is None
    True
    """
    try:
        rgb_values = [(COLORS | GROUNDS).get(label) or ImageColor.getrgb(label)[:3] for label in labels]
    except (ValueError, AttributeError):
        return None
    return ["#{:02x}{:02x}{:02x}".format(*rgb) for rgb in rgb_values] or None
