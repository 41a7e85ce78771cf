"""Score five encoders on exported scenes with the exported scorer.

    clipspace export-factors -o runs/factors
    python benchmarks/factors.py runs/factors --places runs/places/clip --looks runs/looks/clip
    python benchmarks/factors.py runs/factors --vectors docs/benchmark     # from the vectors that were measured

The encoders are the mini CLIP, the two CLIPs of `benchmarks/causal.py`, an untrained CLIP and the pixels. Vectors are saved as
float16 and scored from there, so that whoever has the files has the table; those of the pixels are computed from the images.
"""

from __future__ import annotations

import argparse
import csv
import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from calibration import markdown, write
from PIL import Image

from clipspace.probes.factors.ceilings import pixel_code
from clipspace.scenes import POLICIES
from clipspace.space import load_space, untrained_space

PIXELS = "pixels"


def images(path: Path) -> Iterator[Image.Image]:
    for cell in pq.read_table(path, columns=["image"])["image"].to_pylist():
        yield Image.open(io.BytesIO(cell["bytes"])).convert("RGB")


def encoders(places: Path, looks: Path) -> dict[str, Callable[[list[Image.Image]], np.ndarray]]:
    spaces = {
        "things": load_space("mini", prior=False),
        "places": load_space(f"local-dir:{places}"),
        "looks": load_space(f"local-dir:{looks}"),
        "untrained": untrained_space("mini", seed=0),
    }
    return {name: lambda some, space=space: space.encode_images(some).vectors for name, space in spaces.items()}


def of_pixels(some: list[Image.Image]) -> np.ndarray:
    return np.stack([pixel_code(image) for image in some])


def save_vectors(folder: Path, vectors: Path, encode: dict[str, Callable[[list[Image.Image]], np.ndarray]]) -> None:
    """Vectors of all images and of all pairs by every encoder, float16."""
    vectors.mkdir(parents=True, exist_ok=True)
    for kind in ("images", "pairs"):
        shown = list(images(folder / f"{kind}.parquet"))
        for name, of_images in encode.items():
            np.save(vectors / f"{name}-{kind}.npy", of_images(shown).astype(np.float16))
            print(name, kind, flush=True)


def score(folder: Path, vectors: Path, name: str) -> dict[str, dict[str, str]]:
    """The scorer's table, by factor; that of the pixels is the ceiling of all others. Tables are written to ``folder/tables``."""
    tables = folder / "tables"
    tables.mkdir(exist_ok=True)
    given = [str(vectors / f"{name}-images.npy"), "--changed", str(vectors / f"{name}-pairs.npy")]
    top = [] if name == PIXELS else ["--ceiling", str(tables / f"{PIXELS}.csv")]
    out = tables / f"{name}.csv"
    subprocess.run([sys.executable, str(folder / "score.py"), *given, *top, "-o", str(out)], check=True)
    with out.open(newline="") as file:
        return {row["factor"]: row for row in csv.DictReader(file)}


def table(scored: dict[str, dict[str, dict[str, str]]]) -> str:
    """One row per factor: how often each policy mentions it, and its availability in each encoder with its interval."""
    names = list(scored)
    rows = []
    for factor in scored[PIXELS]:
        cells = []
        for name in names:
            row = scored[name][factor]
            often = f", said {POLICIES[name][factor]:.1f}" if name in POLICIES else ""
            cells.append(f"{row['availability']} ({row['low']} to {row['high']}){often}")
        rows.append([factor, *cells, scored[PIXELS][factor]["n"]])
    return markdown(["factor", *names, "n"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="what clipspace export-factors wrote")
    parser.add_argument("--vectors", type=Path, default=Path("runs/vectors"))
    parser.add_argument("--places", type=Path)
    parser.add_argument("--looks", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    if args.places and args.looks:
        save_vectors(args.folder, args.vectors, encoders(args.places, args.looks))
    save_vectors(args.folder, args.folder / PIXELS, {PIXELS: of_pixels})
    scored = {PIXELS: score(args.folder, args.folder / PIXELS, PIXELS)}
    scored |= {name: score(args.folder, args.vectors, name) for name in (*POLICIES, "untrained")}
    write({"encoders": table(scored)}, args.output)


if __name__ == "__main__":
    main()
