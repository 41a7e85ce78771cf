"""Whether a decode encodes to what it was decoded from, and still shows it."""

from __future__ import annotations

import numpy as np

from clipspace.mini.evaluation.reading import SEED, Row, read_by_clip
from clipspace.scenes import render, sample_scenes
from clipspace.scenes.reading import read_color, read_thing
from clipspace.space import Space


def guided_cycle(space: Space, n: int = 100) -> list[Row]:
    """`cycle` under classifier-free guidance of 2, which costs two evaluations a step: sharper, and of less variety."""
    return [(f"guidance 2: {what}", figure, "") for what, figure, _ in cycle(space, n, guidance_scale=2.0)]


def cycle_by_steps(space: Space, n: int = 100) -> list[Row]:
    """E(D(z)) against z with fewer steps of the sampler, which cost as much less."""
    points = space.encode_images([render(s) for s in sample_scenes(n, seed=SEED + 3)])
    figures = []
    for steps in (5, 10, 20, 50):
        again = space.encode_images(space.decode(points, seed=SEED, num_inference_steps=steps, batch_size=32))
        figures.append(f"{np.einsum('nd,nd->n', points.unit, again.unit).mean():.3f}")
    return [(f"cycle cosine at 5, 10, 20 and 50 steps, of {n}", ", ".join(figures), "")]


def cycle(space: Space, n: int = 200, *, guidance_scale: float = 1.0) -> list[Row]:
    """E(D(z)) against z, and whether decodes keep what they show."""
    settings = {"seed": SEED, "guidance_scale": guidance_scale, "batch_size": 32}
    scenes = sample_scenes(n, seed=SEED + 3)
    points = space.encode_images([render(s) for s in scenes])
    again = space.encode_images(space.decode(points, **settings)).unit
    every = points.unit @ again.T
    unrelated = every[~np.eye(n, dtype=bool)]
    return [
        (
            "cycle cosine of E(D(z)) and z, all layouts",
            f"{np.diag(every).mean():.3f} (unrelated pairs {unrelated.mean():.3f})",
            "≥ 0.90",
        ),
        *_kept(space, n, settings),
    ]


def _kept(space: Space, n: int, settings: dict) -> list[Row]:
    """Colour and thing of decoded single things, by the encoder and by the readers, with the readers' own accuracy."""
    scenes = sample_scenes(n, seed=SEED + 4, layout="one")
    originals = [render(s) for s in scenes]
    points = space.encode_images(originals)
    decoded = space.decode(points, **settings)
    again = space.encode_images(decoded)
    true_color, true_thing = [s.things[0].color for s in scenes], [s.things[0].kind for s in scenes]
    clip_color, clip_thing = read_by_clip(space, again)

    def rate(read: list, truth: list) -> str:
        return f"{np.mean([a == b for a, b in zip(read, truth, strict=True)]):.3f}"

    control_color, control_thing = ([read(i) for i in originals] for read in (read_color, read_thing))
    mine_color, mine_thing = ([read(i) for i in decoded] for read in (read_color, read_thing))
    cosine = np.einsum("nd,nd->n", points.unit, again.unit).mean()
    return [
        ("cycle cosine, single things", f"{cosine:.3f}", ""),
        ("decodes keep the colour: zero-shot", rate(clip_color, true_color), "≥ 0.95"),
        (
            "decodes keep the colour: pixel reader",
            f"{rate(mine_color, true_color)} (on originals {rate(control_color, true_color)})",
            "≥ 0.95",
        ),
        ("decodes keep the thing: zero-shot", rate(clip_thing, true_thing), "≥ 0.90"),
        (
            "decodes keep the thing: template reader",
            f"{rate(mine_thing, true_thing)} (on originals {rate(control_thing, true_thing)})",
            "≥ 0.90",
        ),
    ]
