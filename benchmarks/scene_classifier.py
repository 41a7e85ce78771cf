"""A classifier of scenes whose penultimate layer is an encoder that no text has met.

    python benchmarks/scene_classifier.py -o runs/classifier
    python benchmarks/any_encoder.py --encoder timm:local-dir:runs/classifier --minutes 60 -o runs/any/classifier

It learns the kind of the one thing in a scene (ResNet-10-T of timm, cross entropy), so that its features owe nothing to colour or
background. Prints the accuracy on scenes that it never saw.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import timm
import torch

from clipspace.scenes import UNSEEN, render, sample_scenes

BATCH = 64


def drawn(n: int, seed: int) -> tuple[torch.Tensor, list[str]]:
    """Pixels ``(n, 3, 64, 64)`` in [-1, 1] of scenes of one thing, and its kind."""
    scenes = sample_scenes(n, seed=seed, layout="one")
    pixels = np.stack([np.asarray(render(scene)) for scene in scenes])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1, [scene.things[0].kind for scene in scenes]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=12_000)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--output", "-o", type=Path, required=True)
    given = parser.parse_args()
    torch.manual_seed(0)
    pixels, kinds = drawn(given.scenes, UNSEEN + 7001)
    names = sorted(set(kinds))
    labels = torch.tensor([names.index(kind) for kind in kinds])
    model = timm.create_model("resnet10t", num_classes=len(names)).to(memory_format=torch.channels_last)
    steps = given.epochs * (len(pixels) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    for step, rows in enumerate(
        torch.cat([torch.randperm(len(pixels)) for _ in range(given.epochs)]).split(BATCH)[:steps]
    ):
        loss = torch.nn.functional.cross_entropy(model(pixels[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate.step()
        if step % 50 == 0:
            print(f"step {step} of {steps}  loss {loss.item():.3f}", flush=True)
    unseen, true = drawn(1000, UNSEEN + 7002)
    with torch.inference_mode():
        guesses = model.eval()(unseen).argmax(dim=1)
    right = np.mean([names[guess] == kind for guess, kind in zip(guesses, true, strict=True)])
    print(f"thing read right in {right:.3f} of 1,000 unseen scenes (chance {1 / len(names):.3f})")
    as_seen = {"input_size": (3, 64, 64), "crop_pct": 1.0, "mean": (0.5,) * 3, "std": (0.5,) * 3}
    model.pretrained_cfg = {**model.pretrained_cfg, **as_seen}
    model.to(memory_format=torch.contiguous_format)
    timm.models.save_for_hf(model, given.output, model_config={"pretrained_cfg": as_seen}, safe_serialization=True)


if __name__ == "__main__":
    main()
