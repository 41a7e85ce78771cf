"""What the three training scripts share: rendered scenes on disk, and checkpoints that survive a kill."""

from __future__ import annotations

import argparse
import json
import os
import pickle
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from tqdm import tqdm

from clipspace.errors import CheckpointError
from clipspace.models.clip import load_encoder
from clipspace.scenes import RESOLUTION, render, sample_scenes
from clipspace.scenes.sampling import sample_scene

TRAIN_SEED = 0
"""Scenes of this seed are trained on; evaluation uses any other."""
_CHUNK = 1000


def rendered_scenes(work: Path, n: int) -> tuple[list, np.ndarray]:
    """The ``n`` training scenes and their pictures, uint8 ``(n, 64, 64, 3)``, rendered once and memory-mapped."""
    work.mkdir(parents=True, exist_ok=True)
    path = work / f"scenes-{TRAIN_SEED}-{n}.npy"
    if not path.exists():
        part = path.with_suffix(".part")
        pictures = np.lib.format.open_memmap(part, "w+", np.uint8, (n, RESOLUTION, RESOLUTION, 3))
        starts = range(0, n, _CHUNK)
        with ProcessPoolExecutor() as pool:
            chunks = pool.map(partial(_render_chunk, n), starts)
            for start, chunk in zip(starts, tqdm(chunks, total=len(starts), desc="render"), strict=True):
                pictures[start : start + len(chunk)] = chunk
        pictures.flush()
        part.rename(path)
    return sample_scenes(n, seed=TRAIN_SEED), np.load(path, mmap_mode="r")


def _render_chunk(n: int, start: int) -> np.ndarray:
    indices = range(start, min(start + _CHUNK, n))
    scenes = (sample_scene(np.random.default_rng([TRAIN_SEED, i])) for i in indices)
    return np.stack([np.asarray(render(scene)) for scene in scenes])


def batches(n: int, batch_size: int, steps: range) -> Iterator[tuple[int, np.ndarray]]:
    """``(step, rows)`` for every step: seeded shuffles, the same rows for a step however often resumed."""
    per_epoch = n // batch_size
    epoch, order = -1, np.empty(0, dtype=int)
    for step in steps:
        if step // per_epoch != epoch:
            epoch = step // per_epoch
            order = np.random.default_rng([TRAIN_SEED, epoch]).permutation(n)
        k = step % per_epoch
        yield step, np.sort(order[k * batch_size : (k + 1) * batch_size])


def to_pixels(pictures: np.ndarray, device: torch.device | str = "cpu") -> torch.Tensor:
    """uint8 ``(n, h, w, 3)`` to channels-last float32 ``(n, 3, h, w)`` in [-1, 1]."""
    x = torch.from_numpy(np.array(pictures)).to(device)
    return x.permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


def save_checkpoint(path: Path, step: int, parts: Mapping[str, Any]) -> None:
    """Write the state of all ``parts`` after ``step`` steps, atomically: a kill leaves the previous checkpoint whole."""
    part = path.with_suffix(".part")
    torch.save({"step": step, **{name: one.state_dict() for name, one in parts.items()}}, part)
    os.replace(part, path)


def resume(path: Path, parts: Mapping[str, Any]) -> int:
    """Put the last checkpoint into ``parts`` and return its step; 0 when there is none.

    Nothing is unpickled beyond tensors and plain values. Raises `CheckpointError` for a file that is not a whole
    checkpoint.
    """
    if not path.exists():
        return 0
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"resume: expected a checkpoint of this script, got {str(path)!r}, which cannot be read ({error}); "
            "delete it to train from the start"
        ) from error
    for name, one in parts.items():
        one.load_state_dict(saved[name])
    return saved["step"]


def join_processes() -> tuple[int, int]:
    """This process's rank and their number; (0, 1) unless ``torchrun`` started several."""
    if "WORLD_SIZE" not in os.environ:
        return 0, 1
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    if not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return dist.get_rank(), dist.get_world_size()


@contextmanager
def first_process_first() -> Iterator[None]:
    """What the first process makes here, the others find made."""
    rank, n = join_processes()
    if rank > 0:
        dist.barrier()
    yield
    if rank == 0 and n > 1:
        dist.barrier()


def pick_device(name: str | None) -> torch.device:
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))


def arguments(doc: str | None, *, steps: int, batch_size: int, lr: float) -> argparse.ArgumentParser:
    """The command line that every training script takes; ``train(**vars(parser.parse_args()))`` runs it."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/mini"), help="scenes, checkpoints and results")
    parser.add_argument("--scenes", type=int, default=120_000)
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--batch-size", type=int, default=batch_size)
    parser.add_argument("--lr", type=float, default=lr)
    parser.add_argument("--device", type=pick_device, default="", help="a GPU when there is one")
    return parser


def export_folder(work: Path, name: str, network: torch.nn.Module, scheduler, facts: dict) -> Path:
    """Write ``work/name`` in diffusers' layout, float16, with ``facts`` and the CLIP's stamp in its index."""
    class_name, part = {"decoder": ("UnCLIPDecoder", "unet"), "prior": ("UnCLIPPrior", "prior")}[name]
    folder = work / name
    network.half().save_pretrained(folder / part)
    scheduler.save_pretrained(folder / "scheduler")
    encoder = load_encoder(f"local-dir:{work / 'clip'}", device=torch.device("cpu"), dtype=torch.float32)
    index = {
        "_class_name": class_name,
        part: ["diffusers", type(network).__name__],
        "scheduler": ["diffusers", type(scheduler).__name__],
        "clip": encoder.stamp.to_dict(),
    }
    (folder / "model_index.json").write_text(json.dumps(index | facts, indent=2) + "\n")
    return folder
