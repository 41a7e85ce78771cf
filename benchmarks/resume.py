"""A run over 2,000 images, killed with SIGKILL at 20 random moments, against one that was never killed.

    python benchmarks/resume.py --n 2000 --kills 20

The mini space encodes rendered scenes, some with a caption, some broken on purpose. A kill comes at a random moment
after the work of a run began. In the end both stores must hold the same files with the same bytes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from clipspace.scenes import caption, render, sample_scene


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--rows-per-shard", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        _measure(Path(work), options)


def _measure(work: Path, options: argparse.Namespace) -> None:
    rng = np.random.default_rng(options.seed)
    broken = _images(work / "in", options.n, rng)
    seconds = _run(work / "in", work / "whole", options)
    killed = 0
    while killed < options.kills:
        process = subprocess.Popen(_command(work / "in", work / "out", options), stdout=subprocess.DEVNULL)
        while not (work / "out/.encoding-0-of-1").exists() and process.poll() is None:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 1.5 * seconds / options.kills))
        if process.poll() is not None:
            raise SystemExit(f"the work was done after {killed} kills; use more images, or smaller shards")
        process.kill()
        process.wait()
        killed += 1
        done = len(list((work / "out/stats").glob("*.json"))) if (work / "out/stats").is_dir() else 0
        print(f"kill {killed:2}: {done} shards whole", flush=True)
    _run(work / "in", work / "out", options)
    whole, out = _tree(work / "whole"), _tree(work / "out")
    names = _names(work / "out")
    print(f"{options.n} images, {broken} of them broken; {killed} kills; an uninterrupted run takes {seconds:.1f} s")
    print(f"files equal byte for byte: {whole == out} ({len(whole)} and {len(out)} files)")
    print(f"rows: {len(names)} of {options.n}, {len(names) - len(set(names))} doubled, {options.n - len(set(names))} lost")
    if whole != out or sorted(names) != sorted(path.name for path in (work / "in").glob("*.png")):
        raise SystemExit("FAILED")


def _images(folder: Path, n: int, rng: np.random.Generator) -> int:
    """Rendered scenes, every second with its caption, one in fifty cut short. Returns how many are broken."""
    folder.mkdir()
    for i in range(n):
        scene = sample_scene(rng)
        render(scene).save(folder / f"{i:05d}.png")
        if i % 2:
            (folder / f"{i:05d}.txt").write_text(caption(scene, rng).text)
        if i % 50 == 7:
            content = (folder / f"{i:05d}.png").read_bytes()
            (folder / f"{i:05d}.png").write_bytes(content[: len(content) // 2])
    return len(range(7, n, 50))


def _command(source: Path, output: Path, options: argparse.Namespace) -> list[str]:
    how = ["--rows-per-shard", str(options.rows_per_shard), "--device", "cpu"]
    return [sys.executable, "-m", "clipspace.cli", "encode", str(source), "-o", str(output), *how]


def _run(source: Path, output: Path, options: argparse.Namespace) -> float:
    """Seconds of the work alone, without the start of the process."""
    done = subprocess.run([*_command(source, output, options), "--json"], check=True, capture_output=True, text=True)
    import json

    return json.loads(done.stdout)["seconds"]


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def _names(store: Path) -> list[str]:
    """Names of all rows, stored or rejected."""
    import pandas

    stored = [pandas.read_parquet(file)["image_path"] for file in (store / "metadata").iterdir()]
    rejected = [pandas.read_parquet(file)["name"] for file in (store / "rejected").iterdir()]
    return list(pandas.concat([*stored, *rejected]))


if __name__ == "__main__":
    main()
