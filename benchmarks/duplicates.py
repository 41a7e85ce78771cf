"""Planted copies among photographs and CIFAR-10, found by `duplicates` with the mini CLIP; and false pairs of made points.

    CLIPSPACE_TEST_DATA=data python benchmarks/duplicates.py

Every set is probed with copies of a fifth of its images: JPEG of quality 50, resized to half, cropped by 5 % at each side,
mirrored, each kind by itself and all at once. ``recall`` is the share of copies found beside their originals, with its 95 %
interval. ``false`` are pairs of two different images, counted once whatever copies of them were found, over the rate asked for
times the rows, copies too; CIFAR-10 has near duplicates of its own, which count as false here. The made points have no copies: Gaussians,
clusters of unequal spread, a set half of which is twenty times as dense.
"""

from __future__ import annotations

import argparse
import io
import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from pyarrow import parquet

from clipspace import load_space
from clipspace.measure.accuracy import proportion_interval
from clipspace.probes import duplicates

KINDS = ("jpeg", "resize", "crop", "flip")
_CIFAR_FROM = 20_000
"""First row of CIFAR-10 that is used: none before it was looked at when the method was chosen."""


def copy_of(image: Image.Image, kind: str) -> Image.Image:
    width, height = image.size
    if kind == "jpeg":
        file = io.BytesIO()
        image.save(file, "JPEG", quality=50)
        return Image.open(io.BytesIO(file.getvalue())).convert("RGB")
    if kind == "resize":
        return image.resize((width // 2, height // 2), Image.Resampling.BICUBIC)
    if kind == "crop":
        across, down = max(1, width // 20), max(1, height // 20)
        return image.crop((across, down, width - across, height - down))
    return ImageOps.mirror(image)


def images_of(data: Path, n: int) -> dict[str, list[Image.Image]]:
    photos = [Image.open(path).convert("RGB") for path in sorted((data / "photos").iterdir())]
    cells = (
        parquet.read_table(data / "cifar10-train.parquet", columns=["image"])["image"].slice(_CIFAR_FROM, n).to_pylist()
    )
    return {"photographs": photos, "CIFAR-10": [Image.open(io.BytesIO(cell["bytes"])).convert("RGB") for cell in cells]}


def on_images(name: str, images: list[Image.Image], rates: list[float]) -> None:
    space = load_space("mini")
    copied = np.random.default_rng(0).choice(len(images), len(images) // 5, replace=False)
    x = space.encode_images(images).vectors
    copies = {kind: space.encode_images([copy_of(images[i], kind) for i in copied]).vectors for kind in KINDS}
    for rate in rates:
        line(name, "none", rate, x, np.arange(len(x)), {})
        for kind in KINDS:
            both = np.concatenate([x, copies[kind]])
            line(name, kind, rate, both, np.concatenate([np.arange(len(x)), copied]), {kind: (len(x), copied)})
        source = np.concatenate([np.arange(len(x)), *[copied] * len(KINDS)])
        placed = {kind: (len(x) + i * len(copied), copied) for i, kind in enumerate(KINDS)}
        line(name, "all", rate, np.concatenate([x, *copies.values()]), source, placed)


def line(name: str, planted: str, rate: float, x: np.ndarray, source: np.ndarray, placed: dict) -> None:
    result = duplicates(x, false_rate=rate)
    pairs = {(row.row, row.other) for row in result}
    false = {tuple(sorted((source[i], source[j]))) for i, j in pairs if source[i] != source[j]}
    asked = rate * len(x)
    found = {
        kind: np.array([(i, start + at) in pairs for at, i in enumerate(rows)])
        for kind, (start, rows) in placed.items()
    }
    recall = "  ".join(
        f"{kind} {hits.mean():.2f} [{proportion_interval(hits)[0]:.2f}, {proportion_interval(hits)[1]:.2f}]"
        for kind, hits in found.items()
    )
    print(
        f"{name:12} {len(x):6} {planted:7} rate {rate:<6} false {len(false):4} of {asked:6.1f} asked: {len(false) / asked:5.2f}   {recall}",
        flush=True,
    )


def made(n: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)

    def placed(z: np.ndarray) -> np.ndarray:
        return z @ np.linalg.qr(rng.normal(size=(64, z.shape[1])))[0].T + 3 * np.eye(1, 64)

    def clusters(d: int) -> np.ndarray:
        chosen = rng.choice(30, n, p=rng.dirichlet(np.ones(30)))
        spread = np.exp(rng.uniform(np.log(0.02), 0, size=30))
        return placed(rng.normal(size=(30, d))[chosen] + spread[chosen, None] * rng.normal(size=(n, d)))

    gaussians = {f"gauss {d}": placed(rng.normal(size=(n, d))) for d in (6, 12, 30)}
    falling = {"falling": placed(rng.normal(size=(n, 64)) * np.arange(1, 65) ** -0.6)}
    dense = placed(np.concatenate([rng.normal(size=(n // 2, 10)), 1 + 0.05 * rng.normal(size=(n // 2, 10))]))
    return gaussians | falling | {f"clusters {d}": clusters(d) for d in (8, 20)} | {"half dense": dense}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cifar", type=int, default=3000, help="rows of CIFAR-10")
    parser.add_argument("--rates", type=float, nargs="+", default=[0.01, 0.05])
    parser.add_argument("--draws", type=int, default=3, help="draws of each kind of made points")
    options = parser.parse_args()
    for name in made(100, 0):
        for rate in options.rates:
            sets = [made(4000, seed)[name] for seed in range(1, options.draws + 1)]
            over = [len(duplicates(x, false_rate=rate).table) / (rate * len(x)) for x in sets]
            print(
                f"{name:12}   4000 none    rate {rate:<6} false over asked: {', '.join(f'{ratio:.2f}' for ratio in over)}",
                flush=True,
            )
    if data := os.environ.get("CLIPSPACE_TEST_DATA"):
        for name, images in images_of(Path(data), options.cifar).items():
            on_images(name, images, options.rates)


if __name__ == "__main__":
    main()
