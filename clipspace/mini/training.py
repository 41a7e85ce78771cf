"""What the training scripts of the mini space share: rendered scenes on disk, and their command line."""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch

from clipspace import progress
from clipspace.models.clip import load_encoder
from clipspace.models.devices import usual_device
from clipspace.points.stamps import Stamp
from clipspace.scenes import RESOLUTION, render, sample_scenes
from clipspace.scenes.sampling import sample_scene

TRAIN_SEED = 0
"""Scenes of this seed are trained on; evaluation uses any other."""
_CHUNK = 1000


def rendered_scenes(work: Path, n: int) -> tuple[list, np.ndarray]:
    """The ``n`` training scenes and their images, uint8 ``(n, 64, 64, 3)``, rendered once and memory-mapped."""
    work.mkdir(parents=True, exist_ok=True)
    path = work / f"scenes-{TRAIN_SEED}-{n}.npy"
    if not path.exists():
        part = path.with_suffix(".part")
        pictures = np.lib.format.open_memmap(part, "w+", np.uint8, (n, RESOLUTION, RESOLUTION, 3))
        starts = range(0, n, _CHUNK)
        with ProcessPoolExecutor() as pool:
            chunks = pool.map(partial(_render_chunk, n), starts)
            for start, chunk in zip(progress.track(starts, "rendering", f"times {_CHUNK} scenes"), chunks, strict=True):
                pictures[start : start + len(chunk)] = chunk
        pictures.flush()
        part.rename(path)
    return sample_scenes(n, seed=TRAIN_SEED), np.load(path, mmap_mode="r")


def _render_chunk(n: int, start: int) -> np.ndarray:
    indices = range(start, min(start + _CHUNK, n))
    scenes = (sample_scene(np.random.default_rng([TRAIN_SEED, i])) for i in indices)
    return np.stack([np.asarray(render(scene)) for scene in scenes])


def stamp_of(work: Path) -> Stamp:
    """The stamp of the CLIP in ``work``."""
    return load_encoder(f"local-dir:{work / 'clip'}", device=torch.device("cpu"), dtype=torch.float32).stamp


def arguments(doc: str | None, *, steps: int, batch_size: int, lr: float) -> argparse.ArgumentParser:
    """The command line that every training script takes; ``train(**vars(parser.parse_args()))`` runs it."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/mini"), help="scenes, checkpoints and results")
    parser.add_argument("--scenes", type=int, default=120_000)
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--batch-size", type=int, default=batch_size)
    parser.add_argument("--lr", type=float, default=lr)
    parser.add_argument("--device", type=_device, default="", help="a GPU when there is one")
    return parser


def _device(name: str) -> torch.device:
    return usual_device(name or None)
