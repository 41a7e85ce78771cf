"""Whether codes decode to their images, and what the codes look like."""

from __future__ import annotations

import numpy as np

from clipspace.images import psnr
from clipspace.manipulate import interpolate
from clipspace.mini.evaluation.reading import SEED, Row
from clipspace.scenes import render, sample_scenes
from clipspace.space import Space


def inversion(space: Space, n: int = 200) -> list[Row]:
    """decode(invert(x)) against x, 50 steps, guidance 1; and the statistics of the codes."""
    images = [render(s) for s in sample_scenes(n, seed=SEED + 5)]
    points = space.encode_images(images)
    rows: list[Row] = []
    for method, bar in (("exact", "≥ 40 mean, ≥ 35 worst"), ("ddim", "")):
        code = space.invert(images, embeddings=points, method=method, batch_size=32)
        decoded = space.decode(code.embeddings, **code.settings, batch_size=32)
        quality = np.array([psnr(a, b) for a, b in zip(images, decoded, strict=True)])
        quality = np.minimum(quality, 99.0)
        figure = f"{quality.mean():.1f} mean, {quality.min():.1f} worst, {code.evaluations.mean():.0f} evaluations"
        rows.append((f"inversion, {method}, PSNR in dB of {n}, 50 steps", figure, bar))
        if method == "exact":
            rows.append(_code_statistics(code.noise))
    return rows


def _code_statistics(noise: np.ndarray) -> Row:
    across = np.mean([np.corrcoef(x[:, :, :-1].ravel(), x[:, :, 1:].ravel())[0, 1] for x in noise])
    figure = f"mean {noise.mean():.3f}, sd {noise.std():.3f}, neighbour correlation {across:.3f}"
    return ("statistics of x_T (a standard normal: 0, 1, 0)", figure, "")


def ends(space: Space, n: int = 20) -> list[Row]:
    """The two ends of an interpolation with inverted noise against the images it was given."""
    images = [render(s) for s in sample_scenes(2 * n, seed=SEED + 6)]
    code = space.invert(images, batch_size=40)
    found = []
    for i in range(0, 2 * n, 2):
        frames = interpolate(space, code[i], code[i + 1], steps=2).images
        found += [psnr(frames[0], images[i]), psnr(frames[1], images[i + 1])]
    found = np.minimum(found, 99.0)
    return [
        (
            f"interpolation ends, PSNR in dB of {n} pairs",
            f"{np.mean(found):.1f} mean, {np.min(found):.1f} worst",
            "≥ 35",
        )
    ]
