"""Train the mini decoder: the product's own trainer (`clipspace.training`), with the network and the values of the mini space.

    python -m clipspace.mini.train_decoder --work runs/mini
    torchrun --nproc-per-node 2 -m clipspace.mini.train_decoder --work runs/mini --compile

Needs the CLIP of `train_clip`. Writes ``runs/mini/decoder/``: ``model_index.json``, ``unet/``, ``scheduler/``. Pixels are
unshuffled (exact and invertible) to 32 x 32 x 12. The network predicts the clean image: of 12 numbers a patch, noise fills all
and images few, and a thin network that must output noise (as epsilon or v) stays grainy. ``pip install 'clipspace[train]'``.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import open_clip
import torch

from clipspace import progress
from clipspace.mini.training import TRAIN_SEED, arguments, rendered_scenes, stamp_of
from clipspace.training.loop import Bound
from clipspace.training.presets import Preset
from clipspace.training.processes import first_process_first
from clipspace.training.showing import pixels_of
from clipspace.training.task import Task
from clipspace.training.task import train as train_task
from clipspace.training.vectors import as_they_are

PRESET = Preset(64, 2, (48, 96, 192, 192), attention=2, layers=1, batch_size=32, lr=2.5e-3)
"""That of the shipped weights."""


def train(
    work: Path,
    *,
    scenes: int,
    steps: int,
    batch_size: int,
    lr: float,
    device: torch.device,
    compile: bool = False,
    weights: Path | None = None,
    decay: float = 0.35,
    perceptual: float = 0.0,
) -> Path:
    """Train for ``steps`` and return the folder of the averaged weights.

    ``weights`` is a folder this function returned, which the run begins from. The rate falls over the last
    ``decay`` of the steps. ``perceptual`` weighs what the CLIP sees of a guess beside its squared error.
    """
    with first_process_first():
        _, pictures = rendered_scenes(work, scenes)
        embeds = encoded(work, pictures, device)
    task = Task(
        replace(PRESET, batch_size=batch_size, lr=lr, decay=decay),
        output=work / "decoder",
        checkpoint=work / "decoder.ckpt",
        images=pictures,
        conditions=embeds,
        rows=np.arange(len(pictures)),
        stamp=stamp_of(work),
        standard=as_they_are(embeds.shape[1]),
        seed=TRAIN_SEED,
        device=device,
        look=partial(unlikeness, clip(work, device).visual.requires_grad_(False)) if perceptual else None,
        perceptual=perceptual,
        weights=weights,
        compile=compile,
        finish=coarsened,
    )
    train_task(task, Bound(steps=steps, decay=decay))
    return task.output


def unlikeness(visual: torch.nn.Module, guess: torch.Tensor, x0: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """How unlike a guess and its image look to the CLIP ``(n,)``: squared distance of maps, and 1 - cos to z.

    The embedding holds what is there and little of where; the maps hold both (Lin & Yang 2024, arXiv 2401.00110, where the
    network itself looks). They make decodes truer to z in minutes: see docs/mini-history.md of the repository.
    """
    maps, embeds = seen(visual, guess)
    with torch.no_grad():
        true_maps, _ = seen(visual, x0)
    between = [(a - b).square().sum(dim=1).mean(dim=(1, 2)) for a, b in zip(maps, true_maps, strict=True)]
    return sum(between) / len(between) + 1 - torch.nn.functional.cosine_similarity(embeds, z)


def seen(visual: torch.nn.Module, unshuffled: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
    """What open_clip's ResNet makes of images: its first three stages, unit over channels, and the embedding."""
    x = torch.nn.functional.pixel_shuffle(unshuffled, PRESET.unshuffle).contiguous(memory_format=torch.channels_last)
    x, maps = visual.stem(x), []
    for stage in (visual.layer1, visual.layer2, visual.layer3):
        x = stage(x)
        maps.append(torch.nn.functional.normalize(x.float(), dim=1))
    return maps, visual.attnpool(visual.layer4(x)).float()


def clip(work: Path, device: torch.device) -> torch.nn.Module:
    model, _ = open_clip.create_model_from_pretrained(f"local-dir:{work / 'clip'}")
    return model.eval().to(device, memory_format=torch.channels_last)


def encoded(work: Path, pictures: np.ndarray, device: torch.device) -> np.ndarray:
    """Unit image embeddings times sqrt(d) of all training images, float32 ``(n, d)``, computed once in bf16."""
    path = work / f"embeds-{len(pictures)}.npy"
    if not path.exists():
        model, out = clip(work, device), []
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
            for start in progress.track(range(0, len(pictures), 500), "encoding", "times 500 images"):
                out.append(
                    model.encode_image(pixels_of(pictures[start : start + 500], device), normalize=True).float().cpu()
                )
        embeds = torch.cat(out).numpy()
        np.save(path, embeds * embeds.shape[1] ** 0.5)
    return np.load(path)


def coarsened(network: torch.nn.Module) -> None:
    """Weights of matrices and kernels `rounded`, all in float16."""
    for weight in network.parameters():
        if weight.ndim >= 2:
            weight.data = rounded(weight.data)
    network.half()


def rounded(weight: torch.Tensor) -> torch.Tensor:
    """To multiples of a power of two near a 23rd of their root mean square: 1.4 % off, and float16 zips to 0.53 of its size."""
    step = 2.0 ** torch.log2((weight.square().mean().sqrt() * 2.0**-4.5).clamp_min(2.0**-20)).round()
    return (weight / step).round() * step


if __name__ == "__main__":
    parser = arguments(__doc__, steps=30_000, batch_size=PRESET.batch_size, lr=PRESET.lr)
    parser.add_argument("--weights", type=Path, help="a decoder of this script to go on from, by its weights alone")
    parser.add_argument(
        "--decay", type=float, default=PRESET.decay, help="share of the steps over which the rate falls"
    )
    parser.add_argument(
        "--perceptual", type=float, default=0.0, help="weight of what the CLIP sees of a guess; try 0.3"
    )
    parser.add_argument("--compile", action="store_true", help="needs a C++ compiler; 1.3 times as fast")
    with progress.shown("train"):
        print(train(**vars(parser.parse_args())))
