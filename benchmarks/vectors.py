"""The vectors that benchmarks are run on: those of a file or a store, or made ones with the habits of CLIP's."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clipspace.points.arrays import as_points, float32_blocks
from clipspace.points.store import open_store

CLUSTERS = 2000
FALL = 0.6
SPREAD = 0.7
_BLOCK = 20_000


def loaded(path: Path) -> np.ndarray:
    """Unit vectors, float32, of a .npy file or of the images of a clipspace store."""
    points = open_store(path) if path.is_dir() else np.load(path, mmap_mode="r")
    return np.concatenate(list(float32_blocks(as_points(points), unit=True)))


def clustered(n: int, d: int, *, seed: int = 0) -> np.ndarray:
    """``n`` unit vectors, float32: one common mean, and clusters of unequal size whose centres and scatter fall as k^-0.6.

    Two calls with different seeds draw from the same clusters.
    """
    world = np.random.default_rng(12345)
    scale = (np.arange(1, d + 1) ** -FALL).astype(np.float32)
    basis = np.linalg.qr(world.normal(size=(d, d)))[0].astype(np.float32)
    centres = world.normal(size=(CLUSTERS, d)).astype(np.float32) * scale
    mean = world.normal(size=d).astype(np.float32) * scale.std()
    weights = world.dirichlet(np.full(CLUSTERS, 0.5))
    rng = np.random.default_rng(seed)
    out = np.empty((n, d), np.float32)
    for start in range(0, n, _BLOCK):
        rows = out[start : start + _BLOCK]
        noise = rng.standard_normal(rows.shape, dtype=np.float32) * scale
        rows[...] = (centres[rng.choice(CLUSTERS, size=len(rows), p=weights)] + SPREAD * noise) @ basis + mean
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return out


def write_float16(path: Path, n: int, d: int) -> None:
    """``n`` rows of `clustered` kind as a float16 .npy file, written a block at a time; raw, of norm about 10."""
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(n, d))
    for seed, start in enumerate(range(0, n, 5 * _BLOCK)):
        rows = out[start : start + 5 * _BLOCK]
        rows[...] = 10 * clustered(len(rows), d, seed=seed)
    out.flush()
