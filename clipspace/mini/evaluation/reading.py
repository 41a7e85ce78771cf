"""What the parts share: their seed, their rows, and how they read a scene off a point or an image."""

from __future__ import annotations

from clipspace.points.embeddings import Embeddings
from clipspace.probes.templates import label_weights
from clipspace.scenes import COLORS, THINGS, Scene, sample_scenes
from clipspace.scenes.captions import article
from clipspace.space import Space

Row = tuple[str, str, str]
"""What was measured, the figure, and the bar it is held to ("" for none)."""

SEED = 1000
"""Of scenes that no training saw: training used seed 0."""


def plain_things(n: int, seed: int) -> list[Scene]:
    return [s for s in sample_scenes(3 * n, seed=seed, layout="one") if s.things[0].texture == "plain"][:n]


def read_by_clip(space: Space, points: Embeddings) -> tuple[list[str], list[str]]:
    """Colour and thing of each point, by zero-shot over all pairs."""
    pairs = [(c, k) for c in COLORS for k in THINGS]
    weights = label_weights(space, [f"{article(c)} {k}" for c, k in pairs])
    found = [pairs[i] for i in (points.unit @ weights.T).argmax(axis=1)]
    return [c for c, _ in found], [k for _, k in found]
