"""Training of one decoder, given images and conditions in arrays: the network, its loss, and its export."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.parallel import DistributedDataParallel

from clipspace.points.stamps import Stamp
from clipspace.seeds import child_seed
from clipspace.training.loop import Bound, Loss, Report, Trained, run
from clipspace.training.loss import Look, denoising_loss
from clipspace.training.network import averaged, averages, drawn_network
from clipspace.training.noise import SCHEDULER
from clipspace.training.optimiser import muon
from clipspace.training.presets import Preset, network_config
from clipspace.training.processes import join_processes
from clipspace.training.saving import save_folder
from clipspace.training.showing import pixels_of
from clipspace.training.vectors import Standard, folded
from clipspace.training.weights import begin_from


@dataclass(frozen=True, eq=False)
class Task:
    """A decoder to train.

    Parameters
    ----------
    output : folder of the decoder
    checkpoint : file of what a run goes on from
    images : uint8 ``(n, side, side, 3)``
    conditions : unit vectors times the root of d, float32 ``(n, d)``
    rows : which of them are trained on
    stamp : of the space
    standard : what conditions are moved and scaled by before the network sees them; folded into the weights that are saved
    look : what is asked of guesses beside their squared error, weighed by ``perceptual``
    weights : folder of a decoder whose weights the run begins from
    finish : what is done to the averaged network before it is saved
    """

    preset: Preset
    output: Path
    checkpoint: Path
    images: np.ndarray
    conditions: np.ndarray
    rows: np.ndarray
    stamp: Stamp
    standard: Standard
    seed: int
    device: torch.device
    look: Look | None = None
    perceptual: float = 0.0
    weights: Path | None = None
    compile: bool = False
    finish: Callable[[torch.nn.Module], object] = lambda network: None

    @property
    def config(self) -> dict[str, Any]:
        return network_config(self.preset, self.conditions.shape[1])


def train(
    task: Task,
    bound: Bound,
    *,
    on_look: Callable[[Report], object] = lambda report: None,
    **options: Any,
) -> Report:
    """Train until ``bound`` and save the decoder, before each ``on_look`` as well; where the run stands then.

    ``options`` are those of `loop.run`.
    """
    unet = drawn_network(task.config, seed=task.seed)
    if task.weights is not None:
        begin_from(unet, task.weights, task.stamp, task.standard)
    unet = unet.to(task.device, memory_format=torch.channels_last)
    ema = averages(unet, task.preset.batch_size)
    trained = Trained(
        network=unet,
        ema=ema,
        optimizer=muon(unet, task.preset.lr),
        loss=_loss(task, _parallel(unet, task.compile)),
        rows=len(task.rows),
        batch_size=min(task.preset.batch_size, len(task.rows)),
        seed=task.seed,
    )

    def look(report: Report) -> None:
        export(task, ema)
        on_look(report)

    report = run(trained, bound, task.checkpoint, on_look=look, **options)
    if join_processes()[0] == 0:
        export(task, ema)
    return report


def export(task: Task, ema: Any) -> Path:
    """Save the averaged weights as a folder that `load_space` takes as ``decoder=``."""
    from diffusers import DDIMScheduler

    network = averaged(task.config, ema)
    folded(network, task.standard)
    task.finish(network)
    facts = {"pixel_unshuffle": task.preset.unshuffle}
    return save_folder(task.output, "decoder", network, DDIMScheduler(**SCHEDULER), task.stamp, facts)


def _parallel(unet: torch.nn.Module, compile: bool) -> torch.nn.Module:
    network = torch.compile(unet) if compile else unet
    if join_processes()[1] > 1:
        network = DistributedDataParallel(network, gradient_as_bucket_view=True)
    return network


def _loss(task: Task, network: torch.nn.Module) -> Loss:
    from diffusers import DDIMScheduler

    rank, processes = join_processes()
    scheduler = DDIMScheduler(**SCHEDULER)
    null = task.standard(torch.zeros(1, task.conditions.shape[1], device=task.device))

    def loss(step: int, positions: np.ndarray) -> torch.Tensor:
        rows = task.rows[positions[rank::processes]]
        rng = torch.Generator(task.device).manual_seed(child_seed(task.seed, "denoising", step * processes + rank))
        pixels = pixels_of(task.images[rows], task.device)
        z = torch.from_numpy(np.array(task.conditions[rows])).to(task.device)
        return denoising_loss(
            network,
            scheduler,
            torch.nn.functional.pixel_unshuffle(pixels, task.preset.unshuffle),
            task.standard(z),
            null,
            rng,
            z=z,
            look=task.look,
            perceptual=task.perceptual,
        )

    return loss
