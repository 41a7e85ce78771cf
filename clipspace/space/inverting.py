"""Inverting images in batches: the x_T from which a decoder draws each of them."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from clipspace.diffusion import inversion
from clipspace.errors import ConvergenceWarning
from clipspace.models.diffusion_decoder import DiffusionDecoder
from clipspace.models.precision import check_finite, working_dtype
from clipspace.space.batches import batch_count, batch_slices, within_memory

_RESTARTS_IN_HALF = 1
"""Attempts after the first in half precision, where most of the error that is left is rounding."""


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
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x_T, residual and evaluations (`inversion.Inversion`) of each image, whose embeddings are ``z``; networks are ``dtype``."""
    restarts = _RESTARTS_IN_HALF if dtype.itemsize < 4 else inversion.RESTARTS
    batches = []
    total = batch_count(len(z), batch_size) * num_inference_steps
    with within_memory("invert", batch_size), tqdm(total=total, desc="invert", disable=None, leave=False) as bar:
        for rows in batch_slices(len(z), batch_size):
            latents = decoder.to_latents(images[rows]).to(working_dtype(dtype))
            check_finite(latents, "invert: latents of images", dtype)
            batches.append(
                decoder.invert(
                    torch.from_numpy(z[rows]),
                    latents,
                    num_inference_steps=num_inference_steps,
                    guidance_scale=guidance_scale,
                    method=method,
                    restarts=restarts,
                    on_step=bar.update,
                )
            )
    noise, residual, evaluations = (torch.cat(parts).cpu().numpy() for parts in zip(*batches, strict=True))
    return noise, residual, evaluations


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


def _cure(dtype: torch.dtype) -> str:
    """What to do where networks of this precision hold no code."""
    if dtype == torch.float64:
        return "use another number of steps"
    finer = "float64" if dtype == torch.float32 else "float32"
    return f"invert and decode them in a space loaded with dtype={finer!r}"
