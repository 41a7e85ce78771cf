"""Nearest neighbours among many vectors: the index that clipspace chooses against Flat, a graph, and autofaiss's choice.

    python benchmarks/search.py --n 1000000 --d 512
    python benchmarks/search.py --vectors runs/million --peer-python peer/bin/python   # million.py makes the store

Vectors are those of ``--vectors`` (a .npy file or a store), or clustered synthetic ones (vectors.py). Queries come
from the same source but are not in the index; recall@10 is measured on them against Flat, apart from what the build
verified. Each method runs in a process of its own, on the same threads; throughput is that of one batch of all
queries, the best of ``--rounds``; peak is of the process, libraries and vectors included. autofaiss is allowed the
memory of clipspace's index and otherwise left at its defaults. ``HNSW32`` (``--graph``) is what its rule picks at the
memory of plain vectors, tuned here to the same recall.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import faiss
import numpy as np
from children import answer, best, spawn, timed
from vectors import clustered, loaded

from clipspace.search import Kind, build_index, choose_kind, list_kind

GRAPH = Kind("HNSW32,Flat", 0, "efSearch", (16, 24, 32, 48, 64, 96, 128, 192, 256, 512))
K = 10


def main() -> None:
    options = _options()
    if options.method:
        answer(**_run(options))
        return
    with tempfile.TemporaryDirectory() as work:
        options.work = Path(work)
        rows, queries = _vectors(options)
        np.save(options.work / "rows.npy", rows)
        np.save(options.work / "queries.npy", queries)
        print(
            f"{len(rows)} x {rows.shape[1]} ({options.vectors or 'clustered synthetic'}), {len(queries)} queries, "
            f"recall target 0.95, {options.threads} threads\n"
            f"{'':11}{'kind':>22}{'build s':>9}{'index MiB':>11}{'peak MiB':>10}{'setting':>9}{'verified':>10}"
            f"{'recall@10':>11}{'queries/s':>11}{'x Flat':>8}"
        )
        del rows
        _compare(options)


def _compare(options: argparse.Namespace) -> None:
    flat = _spawn("flat", options)
    exact = np.load(options.work / "flat.npy")
    _line("Flat", flat, exact, flat, options)
    chosen = _spawn("chosen", options)
    _line("clipspace", chosen, exact, flat, options)
    for method in [*(["small"] if options.small else []), *(["graph"] if options.graph else [])]:
        _line(method, _spawn(method, options), exact, flat, options)
    if options.peer_python:
        script, work = Path(__file__).with_name("peer_autofaiss.py"), options.work
        how = (work, chosen["bytes"], options.threads, options.rounds)
        _line("autofaiss", spawn(script, *how, python=options.peer_python), exact, flat, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--d", type=int, default=512)
    parser.add_argument("--vectors", type=Path, help="a .npy file or a store to use instead")
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--graph", action="store_true", help="time HNSW32 too, which builds on one thread")
    parser.add_argument("--small", action="store_true", help="time lists of 8 bits a dimension too")
    parser.add_argument("--peer-python", help="the Python of an environment with autofaiss")
    parser.add_argument("--method", help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _vectors(options: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    if options.vectors is None:
        return clustered(options.n, options.d), clustered(options.queries, options.d, seed=1)
    vectors = np.random.default_rng(0).permutation(loaded(options.vectors))
    return vectors[: -options.queries], vectors[-options.queries :]


def _spawn(method: str, options: argparse.Namespace) -> dict:
    how = ("--rounds", options.rounds, "--threads", options.threads)
    return spawn(__file__, "--method", method, "--work", options.work, *how)


def _run(options: argparse.Namespace) -> dict:
    rows, queries = (np.load(options.work / f"{name}.npy") for name in ("rows", "queries"))
    faiss.omp_set_num_threads(options.threads)
    n, d = rows.shape
    if options.method == "flat":
        index = faiss.IndexFlatIP(d)
        _, facts = timed(lambda: index.add(rows))
        facts |= {"kind": "Flat", "bytes": rows.nbytes}
        search = lambda: index.search(queries, K)[1]  # noqa: E731
    else:
        kind = {"chosen": choose_kind, "small": lambda n, d: list_kind(n, d, "SQ8"), "graph": lambda n, d: GRAPH}
        index, facts = timed(
            lambda: build_index(rows, kind=kind[options.method](n, d), recall=0.95, threads=options.threads)
        )
        facts |= {"kind": index.facts["kind"], "setting": index.facts["setting"], "verified": index.facts["recall"]}
        facts["bytes"] = _size(index)
        search = lambda: index.search(queries, K).rows  # noqa: E731
    found, facts["search"] = best(search, options.rounds)
    np.save(options.work / f"{options.method}.npy", found)
    return facts | {"found": options.method}


def _size(index) -> int:
    with tempfile.TemporaryDirectory() as folder:
        index.save(Path(folder) / "index")
        return sum(file.stat().st_size for file in (Path(folder) / "index").iterdir())


def _line(name: str, facts: dict, exact: np.ndarray, flat: dict, options: argparse.Namespace) -> None:
    found = np.load(options.work / f"{facts['found']}.npy")
    recall = np.mean([np.isin(f, e).mean() for f, e in zip(found, exact, strict=True)])
    verified = f"{facts['verified']:.3f}" if "verified" in facts else ""
    print(
        f"{name:11}{facts['kind']:>22}{facts['wall']:9.1f}{facts['bytes'] / 2**20:11.0f}{facts['peak']:10.0f}"
        f"{facts.get('setting', '')!s:>9}{verified:>10}{recall:11.3f}{len(exact) / facts['search']:11.0f}"
        f"{flat['search'] / facts['search']:8.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
