"""A million images through `encode`, in one run that can be killed: the store that search.py and maps.py take.

    python benchmarks/million.py --output runs/million
    python benchmarks/search.py --vectors runs/million --autofaiss

120,000 rendered scenes in the six orders of their colour channels and both mirror images: other colours, other
places, and so other embeddings, at the price of a copy. Each goes through the same path as a file does (read, decode,
check, prepare, encode, write). Reports images a second, peak memory, and rows in = rows stored + rows recorded.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator
from functools import partial
from itertools import permutations
from pathlib import Path

import numpy as np
from children import most
from PIL import Image

from clipspace import load_space
from clipspace.mini.training import rendered_scenes
from clipspace.sources import Part, Row, Sample, Source
from clipspace.space.encoding import encode

SCENES = 120_000
ORDERS = list(permutations(range(3)))
_PART = 8192


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=1_000_000, help="at most 1,440,000")
    parser.add_argument("--output", type=Path, default=Path("runs/million"))
    parser.add_argument("--work", type=Path, default=Path("runs/mini"), help="where training keeps its rendered scenes")
    parser.add_argument("--dtype", default="bfloat16", help="of the model; the store is float32 either way")
    options = parser.parse_args()
    _, pictures = rendered_scenes(options.work, SCENES)
    done = encode(load_space("mini", device="cpu", dtype=options.dtype), _source(pictures, options.n), options.output)
    rate = done.encoded_now / done.seconds
    print(f"{done.encoded_now} pictures now, {rate:.0f} a second, peak {most():.0f} MiB (the pictures' file mapped)")
    print(f"{done.rows} rows in = {done.stored} stored + {sum(done.rejected.values())} recorded")


def _source(pictures: np.ndarray, n: int) -> Source:
    starts = range(0, n, _PART)
    return Source(tuple(_part(pictures, start, min(start + _PART, n)) for start in starts))


def _part(pictures: np.ndarray, start: int, stop: int) -> Part:
    return Part(f"{start:07d}", stop - start, partial(_rows, pictures, start, stop))


def _rows(pictures: np.ndarray, start: int, stop: int) -> Iterator[Row]:
    for i in range(start, stop):
        yield Row(f"{i:07d}.bmp", partial(_read, pictures, i))


def _read(pictures: np.ndarray, i: int) -> Sample:
    version, scene = divmod(i, len(pictures))
    order, mirrored = divmod(version, 2)
    picture = pictures[scene][:, :: -1 if mirrored else 1, ORDERS[order]]
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(file, "bmp")
    return Sample(file.getvalue())


if __name__ == "__main__":
    main()
