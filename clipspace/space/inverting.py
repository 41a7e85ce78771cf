"""Inverting images in batches: the x_T from which a decoder draws each of them."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from clipspace.diffusion import inversion
from clipspace.errors import ClippingWarning, ConvergenceWarning, shortened
from clipspace.models.diffusion_decoder import DiffusionDecoder
from clipspace.models.precision import check_finite, working_dtype
from clipspace.space.batches import batch_steps, within_memory

_RESTARTS_IN_HALF = 1
"""Attempts after the first in half precision, where most of the error that is left is rounding."""


class Found(NamedTuple):
    """A row each: x_T, residual and evaluations (`inversion.Inversion`), and how many of the last steps no limit changes."""

    noise: np.ndarray
    residual: np.ndarray
    evaluations: np.ndarray
    unlimited: np.ndarray


def find_noise(
    decoder: DiffusionDecoder,
    images: list[Image.Image],
    z: np.ndarray,
    *,
    dtype: torch.dtype,
    num_inference_steps: int,
    guidance_scale: float,
    method: inversion.Method,
    batch_size: int,
) -> Found:
    """x_T of each image, whose embeddings are ``z``; networks are ``dtype``."""
    options = {"num_inference_steps": num_inference_steps, "guidance_scale": guidance_scale}
    restarts = _RESTARTS_IN_HALF if dtype.itemsize < 4 else inversion.RESTARTS
    batches = []
    with within_memory("invert", batch_size):
        for rows, on_step in batch_steps(len(z), batch_size, "inverting", "images", steps=num_inference_steps):
            latents = decoder.to_latents(images[rows]).to(working_dtype(dtype))
            check_finite(latents, "invert: latents of images", dtype)
            told = torch.from_numpy(z[rows])
            found = decoder.invert(told, latents, method=method, restarts=restarts, on_step=on_step, **options)
            unlimited = torch.full((len(told),), num_inference_steps)
            if decoder.schedule.limit is not None:
                unlimited = decoder.unlimited_steps(told, found.noise, **options)
            batches.append((*found, unlimited))
    return Found(*(torch.cat(parts).cpu().numpy() for parts in zip(*batches, strict=True)))


def warn_lost(residual: np.ndarray, dtype: torch.dtype, *, stacklevel: int = 2) -> None:
    """Warn (`ConvergenceWarning`) of images whose code decodes to something else."""
    rows = np.flatnonzero(~(residual <= inversion.CONVERGED)).tolist()  # NaN did not converge either
    if rows:
        warnings.warn(
            f"invert: images {rows} did not converge: they decode to themselves but for errors of up to "
            f"{np.nan_to_num(residual, nan=np.inf).max():.1e} (root mean square, of latents); {_cure(dtype)}",
            ConvergenceWarning,
            stacklevel=stacklevel + 1,
        )


def warn_limited(found: Found, decoder: DiffusionDecoder, num_inference_steps: int, *, stacklevel: int = 2) -> None:
    """Warn (`ClippingWarning`) of images whose code a limit of x_0, as the decoder's own sampler sets one, would change."""
    rows = np.flatnonzero(np.isfinite(found.residual) & (found.unlimited < num_inference_steps))
    if not len(rows):
        return
    agree = int(found.unlimited[rows].min())
    times = decoder.schedule.timesteps(num_inference_steps)
    since = f"only from t={times[-agree]} down to the image" if agree else "at no timestep"
    warnings.warn(
        f"invert: the authors' sampler of a {decoder.name} decoder clips x_0, and a clipped step has no inverse; the codes of "
        f"images {shortened(rows.tolist())} hold for steps without clipping, and for clipped ones {since}; decode them with "
        "code.settings, which does not clip",
        ClippingWarning,
        stacklevel=stacklevel + 1,
    )


def _cure(dtype: torch.dtype) -> str:
    """What to do where networks of this precision hold no code."""
    if dtype == torch.float64:
        return "use another number of steps"
    finer = "float64" if dtype == torch.float32 else "float32"
    return f"invert and decode them in a space loaded with dtype={finer!r}"
