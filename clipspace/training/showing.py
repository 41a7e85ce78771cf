"""What a run shows as it goes: a line of progress, a strip of samples, and the cycle on held-out rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from clipspace.diffusion.sampling import draw_noise
from clipspace.models.contract import Encoder
from clipspace.models.diffusion_decoder import DiffusionDecoder
from clipspace.points import sphere
from clipspace.seeds import streams
from clipspace.space.drawing import draw_images
from clipspace.training.loop import Report


def line(report: Report) -> str:
    """Where a run stands, in one line."""
    of = "" if report.steps is None else f" of {report.steps:,}"
    return (
        f"step {report.step:,}{of}  loss {report.loss:.4f}  {report.images:,} images  {report.images_a_second:.1f} images/s  "
        f"{_time(report.seconds)} spent, {_time(report.seconds_left)} left"
    )


def drawn(
    decoder: DiffusionDecoder,
    z: np.ndarray,
    *,
    seed: int,
    num_inference_steps: int,
    x_T: np.ndarray | None = None,
    batch_size: int = 32,
    **options: Any,
) -> list[Image.Image]:
    """One image for each row of ``z``, from ``x_T``, which is drawn as `Space.noise` draws it where None.

    ``options`` are those of `Decoder.draw`: ``guidance_scale=0`` leaves z out.
    """
    if x_T is None:
        x_T = draw_noise(decoder.latent_shape, streams(seed, len(z), "noise")).numpy()
    return draw_images(
        decoder,
        np.ascontiguousarray(z, np.float32),
        x_T,
        device=decoder.device,
        num_inference_steps=num_inference_steps,
        rngs=streams(seed, len(z), "steps"),
        batch_size=batch_size,
        **options,
    )


def embedded(encoder: Encoder, images: Sequence[Image.Image], batch_size: int = 64) -> np.ndarray:
    """Raw embeddings of images, float32 ``(n, d)``."""
    starts = range(0, len(images), batch_size)
    return np.concatenate([encoder.images(images[start : start + batch_size]) for start in starts])


def strip(rows: Sequence[Sequence[Image.Image]], path: Path) -> None:
    """Rows of images of one size as one PNG, a pixel apart."""
    side = rows[0][0].width + 1
    sheet = Image.new("RGB", (side * len(rows[0]) - 1, side * len(rows) - 1), "white")
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            sheet.paste(image, (x * side, y * side))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def look(
    decoder: DiffusionDecoder,
    z: np.ndarray,
    images: np.ndarray,
    path: Path,
    *,
    encoder: Encoder | None,
    seed: int,
    num_inference_steps: int = 20,
) -> str:
    """Write a strip of held-out images above their decodes; say the cycle on these rows where there is an encoder."""
    decodes = drawn(decoder, z, seed=seed, num_inference_steps=num_inference_steps)
    shown = min(len(z), 12)
    strip([[Image.fromarray(image) for image in images[:shown]], decodes[:shown]], path)
    if encoder is None:
        return f"samples in {path}"
    cosines = sphere.unit(z) @ sphere.unit(embedded(encoder, decodes)).T
    unrelated = cosines[~np.eye(len(z), dtype=bool)].mean()
    return f"cycle {np.diag(cosines).mean():.3f} (unrelated rows {unrelated:.3f}) of {len(z)} held-out rows; samples in {path}"


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def pixels_of(images: np.ndarray, device: torch.device) -> torch.Tensor:
    """uint8 ``(n, h, w, 3)`` to float32 ``(n, 3, h, w)`` in [-1, 1], channels last."""
    return torch.from_numpy(np.array(images)).to(device).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)
