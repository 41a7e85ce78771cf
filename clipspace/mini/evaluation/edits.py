"""What arrives of an edit, and of ever more principal components."""

from __future__ import annotations

import numpy as np

from clipspace.manipulate import reconstruct, text_diff
from clipspace.mini.evaluation.reading import SEED, Row, read_by_clip
from clipspace.points.pca import PCA
from clipspace.probes.mini_world import FACTORS, sentence, truth
from clipspace.results.pictures import Pictures
from clipspace.scenes import render, sample_scenes
from clipspace.scenes.reading import read_ground, read_scene
from clipspace.sources.images import SAME, psnr
from clipspace.space import Space


def text_edits(space: Space, n: int = 100) -> list[Row]:
    """Edits of colour, thing or ground: does the new text come nearer, does the edit arrive, does the rest stay?

    The control draws x_T instead of inverting it: what fails there as well is not the inversion's doing.
    """
    scenes = sample_scenes(n, seed=SEED + 7, layout="one")
    rng = np.random.default_rng(SEED + 7)
    images = [render(scene) for scene in scenes]
    settings = {"num_inference_steps": 20}
    code = space.invert(images, batch_size=50, **settings)
    rising, arrived, stayed, first, pixel_rising, control = [], [], [], [], [], []
    for i, scene in enumerate(scenes):
        facts = truth(scene)
        factor = tuple(FACTORS)[i % len(FACTORS)]
        new = facts | {factor: str(rng.choice([v for v in FACTORS[factor] if v != facts[factor]]))}
        asked = {"before": sentence(facts), "after": sentence(new), "frames": 5, **settings}
        edit = text_diff(space, code[i], **asked)
        rising.append(bool((np.diff(edit.scores["cosine to after"][0]) > 0).all()))
        pixel_rising.append(_redrawn_rises(edit))
        control.append(_redrawn_rises(text_diff(space, code.embeddings[i], seed=SEED + i, **asked)))
        read = read_scene(edit.images[-1])
        arrived.append(read[factor] == new[factor])
        stayed += [read[other] == facts[other] for other in facts if other != factor]
        first.append(psnr(edit.images[0], images[i], most=SAME))
    worst = np.min(first)
    return [
        (f"text diff: cosine of z to the new text rises at every step, of {n}", f"{np.mean(rising):.2f}", "≥ 0.90"),
        ("text diff: cosine of the redrawn image rises (within 0.01)", f"{np.mean(pixel_rising):.2f}", "≥ 0.90"),
        ("text diff: the same, x_T drawn and not inverted", f"{np.mean(control):.2f}", ""),
        ("text diff: the new value is read off the last image", f"{np.mean(arrived):.2f}", ""),
        ("text diff: the other two factors are still read", f"{np.mean(stayed):.2f}", "≥ 0.90"),
        ("text diff: step 0 is the reconstruction, worst PSNR in dB, 20 steps", f"{worst:.1f}", "≥ 35"),
    ]


def _redrawn_rises(edit: Pictures) -> bool:
    """Whether no step takes the redrawn image more than 0.01 away from the new text."""
    return bool((np.diff(edit.scores["cosine of the image to after"][0]) > -0.01).all())


def pca_ladder(space: Space, n: int = 60) -> list[Row]:
    """What is read off images decoded from the first k principal components."""
    fitted = PCA().fit(space.encode_images([render(s) for s in sample_scenes(3000, seed=SEED + 10)]).unit)
    scenes = sample_scenes(n, seed=SEED + 11, layout="one")
    counts = (2, 4, 8, 16, 32, 64, 128)
    ladder = reconstruct(space, [render(s) for s in scenes], fitted, components=counts, num_inference_steps=20)
    rows: list[Row] = []
    for j, k in enumerate(counts):
        images = [row[j] for row in ladder.rows]
        color, thing = read_by_clip(space, space.encode_images(images))
        rates = {
            "ground": np.mean([read_ground(i) == s.ground for i, s in zip(images, scenes, strict=True)]),
            "colour": np.mean([c == s.things[0].color for c, s in zip(color, scenes, strict=True)]),
            "thing": np.mean([t == s.things[0].kind for t, s in zip(thing, scenes, strict=True)]),
        }
        variance = fitted.explained_variance_ratio_[:k].sum()
        figure = ", ".join(f"{name} {rate:.2f}" for name, rate in rates.items())
        rows.append(
            (
                f"PCA ladder, {k} components ({variance:.0%} of variance)",
                figure,
                "in order of variance" if k == counts[0] else "",
            )
        )
    return rows
