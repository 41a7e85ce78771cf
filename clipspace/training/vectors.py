"""The vectors of a store as conditions of a decoder: directions, shifted and scaled to mean 0 and variance 1."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from clipspace.errors import InputError, shortened
from clipspace.files import put
from clipspace.points import sphere
from clipspace.points.arrays import counted_blocks
from clipspace.points.store import Store

FEWEST = 1000
"""Rows below which a network learns them by heart."""
LEAST_SPREAD = 1e-3
"""Root mean square distance of directions from their mean below which they are taken for one vector."""
_NARROWEST = 0.05
"""Least scale that a condition is divided by, so that float32 holds what is left of a narrow cone."""


class Standard(NamedTuple):
    """What conditions, of unit length times the root of d, are moved by, ``(d,)``, and divided by."""

    mean: np.ndarray
    scale: float

    def __call__(self, cond: torch.Tensor) -> torch.Tensor:
        return (cond - torch.from_numpy(self.mean).to(cond)) / self.scale


def as_they_are(dim: int) -> Standard:
    """Conditions that are told as they are."""
    return Standard(np.zeros(dim, np.float32), 1.0)


def check_vectors(store: Store) -> Standard:
    """What is to be subtracted of the store's conditions and what they are to be divided by, in one pass.

    CLIP's vectors lie in a cone: without their mean and at unit variance the network sees how they differ from the first
    step on. Raises `InputError` for fewer than `FEWEST` rows, and for vectors that are not finite, zero, or all one.
    """
    if len(store) < FEWEST:
        raise InputError(
            f"train: expected at least {FEWEST:,} rows in {str(store.path)!r}, got {len(store):,}; encode more images"
        )
    bad, total, squares, start = [], np.zeros(store.dim), 0.0, 0
    for block in counted_blocks(store):
        norms = sphere.norm(block)
        wrong = ~np.isfinite(norms) | (norms == 0)
        bad += (start + np.flatnonzero(wrong)).tolist()
        units = block[~wrong] / norms[~wrong, None]
        total += units.sum(axis=0)
        squares += len(units)
        start += len(block)
    if bad:
        raise InputError(
            f"train: expected finite vectors of non-zero norm in {str(store.path)!r}, got NaN, infinity or zero in "
            f"{len(bad):,} rows ({shortened(bad)}); leave them out (clipspace select), or encode those images again"
        )
    mean = total / len(store)
    spread = float(np.sqrt(max(squares / len(store) - mean @ mean, 0.0)))
    if spread < LEAST_SPREAD:
        raise InputError(
            f"train: expected vectors that differ, got {len(store):,} of one direction in {str(store.path)!r} (their root "
            f"mean square distance from the mean is {spread:.1e} of their length): nothing can be told by them; check the encoder"
        )
    return Standard((mean * store.dim**0.5).astype(np.float32), max(spread, _NARROWEST))


def stored_conditions(store: Store, path: Path) -> np.ndarray:
    """All rows as unit vectors times the root of d, float32 ``(n, d)``, memory-mapped from ``path``, written once."""
    if not path.exists():
        part, start = path.with_suffix(".part"), 0
        rows = np.lib.format.open_memmap(part, "w+", np.float32, (len(store), store.dim))
        for block in counted_blocks(store):
            rows[start : start + len(block)] = sphere.unit(block) * store.dim**0.5
            start += len(block)
        rows.flush()
        put(part, path)
    return np.load(path, mmap_mode="r")


def folded(unet: torch.nn.Module, standard: Standard) -> None:
    """Let the first layer of the class embedding take conditions as they are, in place of moved and scaled ones.

    W ((c - m) / s) + b = (W / s) c + (b - (W / s) m).
    """
    layer = unet.class_embedding.linear_1
    weight = layer.weight.data.double() / standard.scale
    layer.bias.data -= (weight @ torch.from_numpy(standard.mean).to(weight)).to(layer.bias)
    layer.weight.data = weight.to(layer.weight)


def unfolded(unet: torch.nn.Module, standard: Standard) -> None:
    """Undo `folded`: let the first layer of the class embedding take moved and scaled conditions."""
    layer = unet.class_embedding.linear_1
    weight = layer.weight.data.double()
    layer.bias.data += (weight @ torch.from_numpy(standard.mean).to(weight)).to(layer.bias)
    layer.weight.data = (weight * standard.scale).to(layer.weight)
