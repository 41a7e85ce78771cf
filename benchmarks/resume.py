"""A run over 2,000 images, killed with SIGKILL at 20 random moments, against one that was never killed.

    python benchmarks/resume.py --n 2000 --kills 20

The mini space encodes rendered scenes, some with a caption, some broken on purpose. The kills come at random moments
of the whole work, each in a process of its own. In the end both stores must hold the same files with the same bytes.
"""

from __future__ import annotations

import argparse
import json
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
    parser.add_argument("--rows-per-shard", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        _measure(Path(work), options)


def _measure(work: Path, options: argparse.Namespace) -> None:
    rng = np.random.default_rng(options.seed)
    broken = _images(work / "in", options.n, rng)
    seconds = _run(work / "in", work / "whole", options)
    shards = -(-options.n // options.rows_per_shard)
    for kill, target in enumerate(sorted(rng.integers(shards - 3, size=options.kills)), start=1):
        began = time.time_ns()
        process = subprocess.Popen(_command(work / "in", work / "out", options), stdout=subprocess.DEVNULL)
        while not (_at_work(work / "out", began) and _whole(work / "out") >= target) and process.poll() is None:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 3 * seconds / shards))
        if process.poll() is not None:
            raise SystemExit(f"the work was done before kill {kill}; use more images, or smaller shards")
        process.kill()
        process.wait()
        print(f"kill {kill:2}: {_whole(work / 'out')} of {shards} shards whole", flush=True)
    _run(work / "in", work / "out", options)
    whole, out = _tree(work / "whole"), _tree(work / "out")
    names = _names(work / "out")
    print(
        f"{options.n} images, {broken} of them broken; {options.kills} kills; an uninterrupted run takes {seconds:.1f} s"
    )
    print(f"files equal byte for byte: {whole == out} ({len(whole)} and {len(out)} files)")
    print(
        f"rows: {len(names)} of {options.n}, {len(names) - len(set(names))} doubled, {options.n - len(set(names))} lost"
    )
    if whole != out or sorted(names) != sorted(path.name for path in (work / "in").glob("*.png")):
        raise SystemExit("FAILED")


def _at_work(output: Path, began: int) -> bool:
    """Whether a run that began then has opened its lock, which it does when the model is loaded."""
    lock = output / ".encoding-0-of-1"
    return lock.exists() and lock.stat().st_mtime_ns > began


def _whole(output: Path) -> int:
    """How many shards are finished."""
    return len(list((output / "stats").glob("*.json")))


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
