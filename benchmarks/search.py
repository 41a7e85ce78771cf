"""Nearest neighbours among many vectors: the index that clipspace chooses against Flat, and against a graph.

    python benchmarks/search.py --n 1000000 --d 512

Vectors are those of ``--vectors FILE.npy``, or clustered synthetic ones (synthetic.py). Queries come from the same
source but are not in the index; recall@10 is measured on them against Flat, apart from what the build verified.
``HNSW32`` (``--graph``) is what autofaiss's rule picks at the memory of plain vectors, tuned to the same recall.
Throughput is that of one batch of all queries, the best of ``--rounds``, on the same threads for all.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import faiss
import numpy as np
from synthetic import clustered

from clipspace.index import Kind, build_index, choose_kind, list_kind

GRAPH = Kind("HNSW32,Flat", 0, "efSearch", (16, 24, 32, 48, 64, 96, 128, 192, 256, 512))
K = 10


def main() -> None:
    options = _options()
    rows, queries = _vectors(options)
    n, d = rows.shape
    print(f"{n} x {d} ({options.vectors or 'clustered synthetic'}), {len(queries)} queries, recall target 0.95,")
    print(f"{faiss.omp_get_max_threads()} threads")
    print(
        f"{'':16}{'build s':>9}{'index MiB':>11}{'setting':>9}{'verified':>10}{'recall@10':>11}{'queries/s':>11}{'x Flat':>8}"
    )
    flat = faiss.IndexFlatIP(d)
    flat.add(rows)
    exact, base = _time(lambda: flat.search(queries, K)[1], options.rounds)
    flat.reset()
    _line(
        "Flat",
        build=0.0,
        size=rows.nbytes,
        setting="",
        verified="",
        recall=1.0,
        rate=len(queries) / base,
        gain=1.0,
    )
    kinds = [
        choose_kind(n, d),
        *([list_kind(n, d, "SQ8")] if options.small else []),
        *([GRAPH] if options.graph else []),
    ]
    for kind in kinds:
        start = time.perf_counter()
        index = build_index(rows, kind=kind, recall=0.95)
        built = time.perf_counter() - start
        found, seconds = _time(lambda index=index: index.search(queries, K).rows, options.rounds)
        recall = np.mean([np.isin(f, e).mean() for f, e in zip(found, exact, strict=True)])
        _line(
            kind.factory,
            build=built,
            size=_size(index),
            setting=index.facts["setting"],
            verified=f"{index.facts['recall']:.3f}",
            recall=recall,
            rate=len(queries) / seconds,
            gain=base / seconds,
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--d", type=int, default=512)
    parser.add_argument("--vectors", type=Path, help="a .npy file to use instead; its last rows are the queries")
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--graph", action="store_true", help="time HNSW32 too, which builds on one thread")
    parser.add_argument("--small", action="store_true", help="time lists of 8 bits a dimension too")
    return parser.parse_args()


def _vectors(options: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    if options.vectors is None:
        return clustered(options.n, options.d), clustered(options.queries, options.d, seed=1)
    vectors = np.load(options.vectors).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = np.random.default_rng(0).permutation(vectors)
    return vectors[: -options.queries], vectors[-options.queries :]


def _time(call, rounds: int):
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - start)
    return result, min(seconds)


def _size(index) -> int:
    with tempfile.TemporaryDirectory() as folder:
        index.save(Path(folder) / "index")
        return sum(file.stat().st_size for file in (Path(folder) / "index").iterdir())


def _line(
    name: str, *, build: float, size: int, setting, verified: str, recall: float, rate: float, gain: float
) -> None:
    print(f"{name:16}{build:9.1f}{size / 2**20:11.0f}{setting!s:>9}{verified:>10}{recall:11.3f}{rate:11.0f}{gain:8.1f}")


if __name__ == "__main__":
    main()
