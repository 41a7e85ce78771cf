"""Inversion without a decoder: how near the images come to the embedding, by steps, on scenes that no training saw.

Held is the cosine that is left when the image is turned, moved and scaled a little (the mean of 16 such copies): an
adversarial pattern loses it. Seconds are of this process on the processor, for all scenes together.

    python benchmarks/gradient.py                    # the mini CLIP, 16 scenes
    python benchmarks/gradient.py --untrained ViT-B-32 --scenes 1 --steps 30 90
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from torch.nn.functional import cosine_similarity

from clipspace import load_space
from clipspace.diffusion.gradient import jitter
from clipspace.models.gradient_decoder import GradientDecoder
from clipspace.scenes import render, sample_scenes
from clipspace.space import Space, untrained_space

COPIES = 16


def held(space: Space, images: list, target: torch.Tensor) -> np.ndarray:
    """Mean cosine of moved copies, ``(n,)``."""
    pixels = torch.stack([torch.from_numpy(np.array(i)).permute(2, 0, 1) / 255 for i in images])
    rngs = [np.random.default_rng([7, i]) for i in range(len(images))]
    with torch.inference_mode():
        copies = [space.decoder.embed(jitter(pixels, rngs)) for _ in range(COPIES)]
        return np.mean([cosine_similarity(copy, target, dim=-1).numpy() for copy in copies], axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=16)
    parser.add_argument("--steps", type=int, nargs="+", default=[300, 450, 900])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--untrained", help="an architecture of open_clip, with random weights")
    args = parser.parse_args()
    if args.untrained:
        drawn = untrained_space(args.untrained, seed=0, device="cpu")
        space = Space(drawn.name, drawn.encoder, GradientDecoder(drawn.encoder))
    else:
        space = load_space("mini", decoder="gradient", device="cpu")
    points = space.encode_images([render(scene) for scene in sample_scenes(args.scenes, seed=4091)])
    target = torch.from_numpy(points.unit).float()
    print("| steps | seed | mean cosine | worst | below 0.9 | mean held | worst held | CPU s |\n|" + "---|" * 8)
    for steps in args.steps:
        for seed in range(args.seeds):
            start = time.process_time()
            images = space.decode(points, seed=seed, num_inference_steps=steps)
            seconds = time.process_time() - start
            cosine = np.einsum("nd,nd->n", space.encode_images(images).unit, points.unit)
            left = held(space, images, target)
            numbers = f"{cosine.mean():.3f} | {cosine.min():.3f} | {(cosine < 0.9).sum()} of {len(cosine)}"
            print(
                f"| {steps} | {seed} | {numbers} | {left.mean():.2f} | {left.min():.2f} | {seconds:.0f} |", flush=True
            )


if __name__ == "__main__":
    main()
