"""Whether codes decode to their images, and what the codes look like."""

from __future__ import annotations

import copy

import numpy as np
import torch

from clipspace.diffusion.inversion import CONVERGED
from clipspace.manipulate import interpolate
from clipspace.mini.evaluation.reading import SEED, Row
from clipspace.points.code import Code
from clipspace.points.embeddings import Embeddings
from clipspace.scenes import render, sample_scenes
from clipspace.sources.images import SAME, psnr
from clipspace.space import Space


def inversion(space: Space, n: int = 200) -> list[Row]:
    """decode(invert(x)) against x, 50 steps, guidance 1; and the statistics of the codes."""
    images = [render(s) for s in sample_scenes(n, seed=SEED + 5)]
    points = space.encode_images(images)
    code, quality = _undone(space, images, points, "exact")
    lost = np.flatnonzero(code.residual > CONVERGED)
    mended = quality.copy()
    if len(lost):
        mended[lost] = _undone(_in_float64(space), [images[i] for i in lost], points[lost], "exact")[1]
    approximate, rough = _undone(space, images, points, "ddim")
    bar = "≥ 40 mean, ≥ 35 worst"
    return [
        (f"inversion, exact, PSNR in dB of {n}, 50 steps", _summary(quality, code), bar),
        ("the same, those that `invert` warns of in float64", f"{_summary(mended)}, {len(lost)} warned of", bar),
        _code_statistics(code.noise),
        (f"inversion, ddim, PSNR in dB of {n}, 50 steps", _summary(rough, approximate), ""),
    ]


def _undone(space: Space, images: list, points: Embeddings, method: str) -> tuple[Code, np.ndarray]:
    """The codes, and the PSNR in dB of what they decode to; 99 for identical pixels."""
    code = space.invert(images, embeddings=points, method=method, batch_size=32)
    decoded = space.decode(code.embeddings, **code.settings, batch_size=32)
    return code, np.array([psnr(a, b, most=SAME) for a, b in zip(images, decoded, strict=True)])


def _in_float64(space: Space) -> Space:
    """As `load_space` with ``dtype="float64"`` loads it."""
    double = copy.deepcopy(space)
    double.encoder.model.double()
    double.decoder.unet.double()
    double.decoder.dtype = torch.float64
    return double


def _summary(quality: np.ndarray, code: Code | None = None) -> str:
    spent = f", {code.evaluations.mean():.0f} evaluations" if code else ""
    return f"{quality.mean():.1f} mean, {quality.min():.1f} worst{spent}"


def _code_statistics(noise: np.ndarray) -> Row:
    across = np.mean([np.corrcoef(x[:, :, :-1].ravel(), x[:, :, 1:].ravel())[0, 1] for x in noise])
    figure = f"mean {noise.mean():.3f}, sd {noise.std():.3f}, neighbour correlation {across:.3f}"
    return ("statistics of x_T (a standard normal: 0, 1, 0)", figure, "")


def ends(space: Space, n: int = 20) -> list[Row]:
    """The two ends of an interpolation with inverted noise against the images it was given."""
    images = [render(s) for s in sample_scenes(2 * n, seed=SEED + 6)]
    code, quality = _ends(space, images)
    lost = np.unique(np.flatnonzero(code.residual > CONVERGED) // 2)
    mended = quality.copy()
    if len(lost):
        both = np.stack([2 * lost, 2 * lost + 1], axis=1).ravel()
        mended[both] = _ends(_in_float64(space), [images[i] for i in both])[1]
    return [
        (f"interpolation ends, PSNR in dB of {n} pairs", _summary(quality), "≥ 35"),
        ("the same, pairs that `invert` warns of in float64", f"{_summary(mended)}, {len(lost)} warned of", "≥ 35"),
    ]


def _ends(space: Space, images: list) -> tuple[Code, np.ndarray]:
    """The codes of pairs, and the PSNR in dB of the ends of what lies between them; 99 for identical pixels."""
    code = space.invert(images, batch_size=40)
    found = []
    for i in range(0, len(images), 2):
        frames = interpolate(space, code[i], code[i + 1], frames=2).images
        found += [psnr(frame, image, most=SAME) for frame, image in zip(frames, images[i : i + 2], strict=True)]
    return code, np.array(found)
