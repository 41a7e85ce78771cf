"""Toy presets and planted images for the tests of training."""

import numpy as np
import torch

from clipspace.points.stamps import Stamp
from clipspace.training.presets import Preset
from clipspace.training.task import Task
from clipspace.training.vectors import as_they_are

TOY = Preset(8, 2, (16, 16), attention=0, layers=1, heads=8, groups=8, batch_size=8, lr=0.02)
STAMP = Stamp("toy", "a" * 16, "b" * 16, 6)


def planted(n, *, dim=6, seed=0):
    """``n`` images of 8 px, each of two colours, and vectors, unit times the root of d, that say which."""
    rng = np.random.default_rng(seed)
    colors = rng.integers(0, 256, (n, 2, 3))
    images = np.zeros((n, 8, 8, 3), np.uint8)
    images[:, :4], images[:, 4:] = colors[:, 0, None, None], colors[:, 1, None, None]
    vectors = np.concatenate([colors[:, 0], colors[:, 1]], axis=1)[:, :dim] / 127.5 - 1
    return images, (vectors / np.linalg.norm(vectors, axis=1)[:, None] * dim**0.5).astype(np.float32)


def task(folder, images, vectors, *, rows=None, **options):
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        "preset": TOY, "output": folder / "decoder", "checkpoint": folder / "checkpoint.pt", "images": images,
        "conditions": vectors, "rows": np.arange(len(images)) if rows is None else rows, "stamp": STAMP,
        "standard": as_they_are(vectors.shape[1]), "seed": 0, "device": torch.device("cpu"),
    }  # fmt: skip
    return Task(**(made | options))
