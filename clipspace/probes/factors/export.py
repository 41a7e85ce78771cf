"""Scenes with their factors, counterfactuals and captions, in files that any encoder can be scored on."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.resources import as_file, files
from itertools import islice
from pathlib import Path
from typing import Any

from PIL import Image

from clipspace.errors import InputError
from clipspace.probes.factors.factor import Factor, scene_factors
from clipspace.scenes import POLICIES, UNSEEN, ImpossibleChange, Scene, caption, render, sample_scenes
from clipspace.seeds import stream

SCORER = "score.py"


def export_factors(folder: str | Path, *, n: int = 2000, pairs: int = 100, seed: int = 0) -> Path:
    """Write a benchmark of what an encoder keeps into a new ``folder``, and return it.

    ``images.parquet`` holds ``n`` rendered scenes (PNG bytes, as `datasets` writes images), each factor of them (null
    where it does not apply) and a caption by each of `clipspace.scenes.POLICIES`. ``pairs.parquet`` holds, for each
    factor, at most ``pairs`` of the images in which that factor alone was changed, with its old and its new value. Beside them
    ``factors.csv``, ``pairs.csv`` and ``factors.json`` say the same without images to ``score.py``, which needs NumPy and
    scikit-learn alone and takes vectors; ``README.md`` says how. Equal arguments give equal files.

    Raises `InputError` for a folder that exists, fewer than 200 images or no pairs.
    """
    folder = Path(folder)
    if n < 200 or pairs < 1:
        raise InputError(f"export_factors: expected at least 200 images and 1 pair of each factor, got {n} and {pairs}")
    if folder.exists():
        raise InputError(f"export_factors: {str(folder)!r} exists; choose another folder")
    folder.mkdir(parents=True)
    scenes = sample_scenes(n, seed=UNSEEN + seed)
    factors = scene_factors(scenes)
    _write_images(folder, scenes, factors, seed)
    _write_pairs(folder, factors, pairs, seed)
    kinds = {factor.name: _kind(factor) for factor in factors}
    (folder / "factors.json").write_text(json.dumps(kinds, indent=2) + "\n", encoding="utf-8")
    with as_file(files("clipspace.probes.factors") / SCORER) as scorer:
        shutil.copyfile(scorer, folder / SCORER)
    (folder / "README.md").write_text(_README.format(n=n, pairs=pairs, seed=seed), encoding="utf-8")
    return folder


def _kind(factor: Factor) -> dict[str, Any]:
    amount = isinstance(factor.values[factor.rows[0]], float)
    return {"kind": "amount" if amount else "label", "period": factor.period}


def _write_images(folder: Path, scenes: Sequence[Scene], factors: Sequence[Factor], seed: int) -> None:
    columns = {factor.name: list(factor.values) for factor in factors}
    said = {
        f"caption_{policy}": [
            caption(scene, stream(seed, f"caption {policy}", i), mentions).text for i, scene in enumerate(scenes)
        ]
        for policy, mentions in POLICIES.items()
    }
    ids = list(range(len(scenes)))
    _write_parquet(folder / "images.parquet", {"id": ids, "image": _png(map(render, scenes)), **columns, **said})
    _write_csv(folder / "factors.csv", {"id": ids, **columns})


def _write_pairs(folder: Path, factors: Sequence[Factor], pairs: int, seed: int) -> None:
    """Images of a factor, drawn without replacement, each with that factor changed."""
    rows: list[tuple[str, int, Any, Any]] = []
    images = []
    for factor in factors:
        for i, image, new in islice(_changes(factor, seed), pairs):
            rows.append((factor.name, i, factor.values[i], new))
            images.append(image)
    names, ids, old, new = (list(column) for column in zip(*rows, strict=True))
    columns = {"factor": names, "id": ids, "old": [str(value) for value in old], "new": [str(value) for value in new]}
    _write_parquet(folder / "pairs.parquet", {"pair": list(range(len(rows))), "image": _png(images), **columns})
    _write_csv(folder / "pairs.csv", {"pair": list(range(len(rows))), **columns})


def _changes(factor: Factor, seed: int) -> Iterator[tuple[int, Image.Image, Any]]:
    """Row, changed image and new value, of the images in random order that can be changed within their frame."""
    assert factor.change is not None
    for i in map(int, stream(seed, f"pairs of {factor.name}").permutation(factor.rows)):
        with suppress(ImpossibleChange):
            yield i, *factor.change(i, stream(seed, f"change of {factor.name}", i))


def _png(images: Iterator[Image.Image] | Sequence[Image.Image]) -> list[dict[str, Any]]:
    out = []
    for i, image in enumerate(images):
        file = io.BytesIO()
        image.save(file, "png")
        out.append({"bytes": file.getvalue(), "path": f"{i:05d}.png"})
    return out


def _write_parquet(path: Path, columns: dict[str, list]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), path)


def _write_csv(path: Path, columns: dict[str, list]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(
            ["" if value is None else value for value in row] for row in zip(*columns.values(), strict=True)
        )


_README = """\
# What does an encoder keep of an image?

{n:,} rendered scenes whose every factor is known, and {pairs} counterfactuals of each factor, in which it alone was changed.
Made by `clipspace export-factors --images {n} --pairs {pairs} --seed {seed}`; licence MIT.

1. Encode the column `image` of `images.parquet`, in its order, and save the vectors as an array `vectors.npy` (n, d).
   For the sensitivities do the same with `pairs.parquet`: `changed.npy`.
2. `python score.py vectors.npy --changed changed.npy -o table.csv` (NumPy and scikit-learn).

`python score.py pixels.npy -o pixels.csv` with the images' own pixels as vectors gives ceilings for
`python score.py vectors.npy --ceiling pixels.csv`: what no read-out finds in the pixels cannot be asked of an encoder.

`caption_things`, `caption_places` and `caption_looks` are captions of three policies, which mention other factors: train a
CLIP on one of them, and what it keeps should follow. What each of the columns means is said at the top of `score.py`.
"""
