"""All principal components of float16 vectors in a Parquet file: `open_points` and PCA against a bare pass over the file.

    python benchmarks/own_vectors.py --n 1000000 --d 768

``bare`` reads the column batch by batch, converts to float32 and adds up x.T @ x, and nothing else. Each runs in a process
of its own, in turns; the table has the least of the rounds. ``peak`` is the most anonymous memory (RssAnon) that a process
had, sampled every 10 ms: what is mapped from files is not in it. The file is as PyArrow writes it by default, in row groups of
``--group`` rows; ``--plain`` leaves the dictionary out, as `write_points` does, which is read five times as fast.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
from children import answer, spawn, timed
from pyarrow import parquet
from vectors import clustered

BLOCK = 4096
_WRITTEN = 20_000


def write(path: Path, n: int, d: int, *, group: int, plain: bool) -> None:
    """``n`` rows of clustered vectors of norm about 10, a row group at a time."""
    schema = pa.schema([("vector", pa.list_(pa.float16(), d))])
    with parquet.ParquetWriter(path, schema, use_dictionary=not plain) as file:
        for seed, start in enumerate(range(0, n, group)):
            rows = min(group, n - start)
            parts = [clustered(min(_WRITTEN, rows - at), d, seed=1000 * seed + at) for at in range(0, rows, _WRITTEN)]
            values = pa.array((10 * np.concatenate(parts)).astype(np.float16).ravel())
            file.write_table(pa.table({"vector": pa.FixedSizeListArray.from_arrays(values, d)}), row_group_size=group)


def bare(path: Path) -> np.ndarray:
    gram: np.ndarray | float = 0.0
    file = parquet.ParquetFile(path, buffer_size=2**20, pre_buffer=False)
    for batch in file.iter_batches(batch_size=BLOCK, columns=["vector"]):
        column = batch.column(0)
        block = column.flatten().to_numpy().reshape(len(column), -1).astype(np.float32)
        gram = gram + (block.T @ block).astype(np.float64)
    return np.asarray(gram)


def clipspace(path: Path) -> np.ndarray:
    from clipspace import PCA
    from clipspace.points.interchange import open_points

    return PCA(normalize=False).fit(open_points(path)).components_


METHODS = {"bare": bare, "clipspace": clipspace}


def main() -> None:
    options = _options()
    if options.method:
        answer(**_run(options))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        options.file, options.few = Path(folder, "x.parquet"), Path(folder, "few.parquet")
        write(options.file, options.n, options.d, group=options.group, plain=options.plain)
        write(options.few, 2 * options.d, options.d, group=options.group, plain=options.plain)
        runs: dict[str, list[dict]] = {method: [] for method in METHODS}
        for _ in range(options.rounds):
            for method in METHODS:
                runs[method].append(_spawn(method, options))
        size = options.file.stat().st_size / 2**30
    print(
        f"{options.n:,} x {options.d} float16 in Parquet ({size:.2f} GiB), all components; least of {options.rounds} rounds"
    )
    print(f"{'':12}{'wall s':>9}{'cpu s':>9}{'us/row':>9}{'/ bare':>8}{'peak MiB':>10}")
    best = {method: min(rows, key=lambda run: run["wall"]) for method, rows in runs.items()}
    for method, run in best.items():
        ratio = run["wall"] / best["bare"]["wall"]
        per_row = 1e6 * run["wall"] / options.n
        print(f"{method:12}{run['wall']:9.1f}{run['cpu']:9.1f}{per_row:9.1f}{ratio:8.2f}{run['anonymous']:10.0f}")
    print("asked: at most 1.5 times bare, and a peak below 1,024 MiB")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--d", type=int, default=768)
    parser.add_argument("--group", type=int, default=100_000, help="rows of a row group")
    parser.add_argument("--plain", action="store_true", help="write without a dictionary")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where the file is written, then deleted")
    parser.add_argument("--method", choices=METHODS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--few", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _spawn(method: str, options: argparse.Namespace) -> dict:
    return spawn(__file__, "--method", method, "--file", options.file, "--few", options.few)


def _run(options: argparse.Namespace) -> dict:
    """One method once: seconds, and the most MiB of anonymous memory, after a run on few rows that loads the libraries."""
    METHODS[options.method](options.few)
    peak, done = [0.0], threading.Event()
    watcher = threading.Thread(target=_watch, args=(peak, done))
    watcher.start()
    _, spent = timed(lambda: METHODS[options.method](options.file))
    done.set()
    watcher.join()
    return {**spent, "anonymous": peak[0]}


def _watch(peak: list[float], done: threading.Event) -> None:
    while not done.wait(0.01):
        status = Path("/proc/self/status").read_text()
        peak[0] = max(peak[0], int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) / 1024)


if __name__ == "__main__":
    main()
