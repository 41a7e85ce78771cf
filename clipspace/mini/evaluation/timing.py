"""How fast it decodes and starts, beside what it stands on."""

from __future__ import annotations

import copy
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
import torch
from diffusers import DDIMScheduler

from clipspace.mini.evaluation.reading import SEED, Row
from clipspace.scenes import render, sample_scenes
from clipspace.space import Space


def speed(space: Space) -> list[Row]:
    """Our sampler against diffusers' own DDIM loop on the same checkpoint, steps and batch.

    The loop has the network as diffusers loads it, and once more in the memory layout that we give it.
    """
    n, steps = 16, 20
    points = space.encode_images([render(s) for s in sample_scenes(n, seed=SEED + 12)])
    noise = space.noise(n, seed=0)
    as_loaded = copy.copy(space.decoder)
    as_loaded.unet = copy.deepcopy(space.decoder.unet).to(memory_format=torch.contiguous_format)
    runs: tuple[Callable, ...] = (
        lambda: space.decode(points, noise=noise, num_inference_steps=steps),
        lambda: diffusers_loop(as_loaded, points.vectors, noise, steps),
        lambda: diffusers_loop(space.decoder, points.vectors, noise, steps),
    )
    times = np.array([[_seconds(run) for run in runs] for _ in range(6)])
    ours, theirs, same = np.median(times[1:], axis=0)
    return [
        (
            "decoding, images a second (diffusers' loop; ratio)",
            f"{n / ours:.1f} ({n / theirs:.1f}; {theirs / ours:.2f}×)",
            "≥ 1.0×",
        ),
        (
            "decoding: the same, its network in our memory layout",
            f"{n / ours:.1f} ({n / same:.1f}; {same / ours:.2f}×)",
            "",
        ),
    ]


def _seconds(run: Callable) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


@torch.inference_mode()
def diffusers_loop(decoder, vectors: np.ndarray, noise: np.ndarray, steps: int) -> torch.Tensor:
    """Latents of a `PixelDecoder` as diffusers' own scheduler samples them, with the schedule of its checkpoint."""
    schedule = decoder.schedule
    alphas = schedule.alphas_cumprod
    scheduler = DDIMScheduler(
        trained_betas=(1 - alphas / torch.cat([alphas.new_ones(1), alphas[:-1]])).tolist(),
        prediction_type=schedule.prediction,
        set_alpha_to_one=schedule.final_alpha_cumprod == 1,
        clip_sample=False,
    )
    scheduler.set_timesteps(steps)
    x = torch.from_numpy(noise).to(decoder.device)
    cond = decoder.condition(torch.from_numpy(np.array(vectors)))
    for t in schedule.timesteps(steps):
        predicted = decoder.unet(x, t, encoder_hidden_states=None, class_labels=cond).sample
        x = scheduler.step(predicted, t, x).prev_sample
    return x


def start_up(space: Space) -> list[Row]:
    """`import clipspace` and `clipspace demo` in fresh processes."""

    def seconds(*command: str) -> float:
        return _seconds(lambda: subprocess.run([sys.executable, *command], check=True, capture_output=True))

    bare = np.median([seconds("-c", "pass") for _ in range(9)])
    numpy = np.median([seconds("-c", "import numpy") for _ in range(9)]) - bare
    ours = np.median([seconds("-c", "import clipspace") for _ in range(9)]) - bare
    with tempfile.TemporaryDirectory() as folder:
        demo = seconds("-m", "clipspace.cli", "demo", "-o", f"{folder}/demo")
    return [
        ("`import clipspace` over `import numpy`", f"{ours / numpy:.2f}×", "≤ 2×"),
        ("`clipspace demo`, cold start, seconds", f"{demo:.0f}", "≤ 180"),
    ]
