"""A decoder for an encoder of the scene world that is not the mini CLIP: what its decodes keep, beside controls.

    python benchmarks/any_encoder.py --encoder local-dir:runs/places/clip --minutes 60 -o runs/any/places
    python benchmarks/any_encoder.py --encoder untrained --minutes 60 -o runs/any/untrained     # random weights
    python benchmarks/any_encoder.py --encoder mini --minutes 60 -o runs/any/mini               # the yardstick

Renders scenes, encodes them, trains (`clipspace train-decoder`, preset tiny), and reads background, colour and thing off decodes
of scenes that no training saw, by readers that know no encoder. Stopped, it goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
from PIL import Image

from clipspace import progress
from clipspace.points.embeddings import Embeddings
from clipspace.results.loading import load_result
from clipspace.scenes import UNSEEN, Scene, render, sample_scenes
from clipspace.scenes.reading import read_color, read_ground, read_thing
from clipspace.space import Space, load_space, untrained_space
from clipspace.space.encoding import encode
from clipspace.training.decoder import train_decoder

SEED = 4000
READERS = {"background": read_ground, "colour": read_color, "thing": read_thing}


def rendered(folder: Path, n: int) -> Path:
    """``n`` scenes as Parquet files of a thousand images."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, start in enumerate(range(0, n, 1000)):
        path = folder / f"{k:04d}.parquet"
        if not path.exists():
            scenes = sample_scenes(min(1000, n - start), seed=UNSEEN + SEED + 1 + k)
            pyarrow.parquet.write_table(pyarrow.table({"image": [_png(render(scene)) for scene in scenes]}), path)
    return folder


def _png(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def truth(scene: Scene) -> dict[str, str]:
    return {"background": scene.ground, "colour": scene.things[0].color, "thing": scene.things[0].kind}


def read(images: Sequence[Image.Image], scenes: Sequence[Scene]) -> str:
    """Share of images in which each factor is read right."""
    rates = {
        name: np.mean([reader(image) == truth(scene)[name] for image, scene in zip(images, scenes, strict=True)])
        for name, reader in READERS.items()
    }
    return ", ".join(f"{name} {rate:.2f}" for name, rate in rates.items())


def report(space: Space, n: int) -> None:
    """Print what is read off decodes of ``n`` single things, beside the images themselves and two controls."""
    scenes = sample_scenes(n, seed=UNSEEN + SEED, layout="one")
    images = [render(scene) for scene in scenes]
    points = space.encode_images(images)
    shuffled = Embeddings(np.roll(points.vectors, 1, axis=0), space.stamp)
    print(f"| images themselves | {read(images, scenes)} |")
    print(f"| decodes of z | {read(space.decode(points), scenes)} |")
    print(f"| decodes of another's z | {read(space.decode(shuffled), scenes)} |")
    print(f"| drawn without z | {read(space.decode(points, guidance_scale=0.0), scenes)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="mini", help="an id of load_space, or untrained")
    parser.add_argument("--scenes", type=int, default=60_000)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--read", type=int, default=200, help="decodes that are read")
    parser.add_argument("--perceptual", type=float, help="weight of what the encoder sees of a guess; 0 leaves it out")
    parser.add_argument("--weights", help="folder of a decoder that the run begins from, or mini")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--output", "-o", type=Path, required=True)
    given = parser.parse_args()
    images = rendered(given.output / "scenes", given.scenes)
    space = untrained_space("mini", seed=0) if given.encoder == "untrained" else load_space(given.encoder)
    with progress.shown():
        encode(space, images, given.output / "store")
        folder = train_decoder(
            given.output / "store",
            given.output / "decoder",
            source=images,
            encoder=space.encoder,
            minutes=given.minutes,
            perceptual=given.perceptual,
            weights=given.weights,
            compile=given.compile,
        )
    print(load_result(folder / "card.json"))
    report(load_space(space.encoder, decoder=folder), given.read)


if __name__ == "__main__":
    main()
