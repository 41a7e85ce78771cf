"""The kNN probe, from embeddings to scores, against FAISS's own exact search for the same neighbours.

FAISS is given unit vectors in float32, ready to search, and does nothing but search; the probe also checks its input,
makes unit vectors, votes twice, and bootstraps. They run in turns, several times; the least time of each counts.

    python benchmarks/knn_probe.py    # 50,000 x 512: 40,000 training rows, 10,000 queries, k = 20
"""

from __future__ import annotations

import argparse
import time

import faiss
import numpy as np

from clipspace import Embeddings
from clipspace.points.sphere import unit
from clipspace.probes.nearest_neighbours import knn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rows", 50_000), ("dims", 512), ("classes", 10), ("k", 20), ("runs", 3), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    labels = rng.integers(args.classes, size=args.rows)
    vectors = rng.normal(size=(args.rows, args.dims)) + 0.1 * rng.normal(size=(args.classes, args.dims))[labels]
    vectors = vectors.astype(np.float32)
    cut = args.rows * 4 // 5
    train, test = Embeddings(vectors[:cut]), Embeddings(vectors[cut:])
    ready = [unit(points.vectors).astype(np.float32) for points in (train, test)]

    times: dict[str, list[float]] = {"FAISS search": [], "kNN probe": []}
    for _ in range(args.runs):
        start = time.perf_counter()
        index = faiss.IndexFlatIP(args.dims)
        index.add(ready[0])
        _, found = index.search(ready[1], args.k)
        times["FAISS search"].append(time.perf_counter() - start)
        start = time.perf_counter()
        scores = knn(train, labels[:cut], held_out=(test, labels[cut:]), k=args.k)
        times["kNN probe"].append(time.perf_counter() - start)
    votes = np.stack([np.bincount(labels[row], minlength=args.classes) for row in found])
    print(f"{cut} x {args.dims} searched by {args.rows - cut}, k = {args.k}")
    for name, each in times.items():
        print(f"{name:14} {min(each):7.2f} s  (of {[round(s, 2) for s in each]})")
    print(f"FAISS / probe  {min(times['FAISS search']) / min(times['kNN probe']):7.2f}")
    theirs = np.mean(votes.argmax(axis=1) == labels[cut:])
    print(
        f"accuracy of the uniform vote: {scores['uniform', 'accuracy'].value:.4f}; of FAISS's neighbours {theirs:.4f}, first class on ties"
    )


if __name__ == "__main__":
    main()
