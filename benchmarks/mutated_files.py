"""20,000 changed files: stores, indexes, maps, PCAs, results, .npy, .npz, safetensors, Parquet and Arrow, read or refused.

    python benchmarks/mutated_files.py --changes 20000

Prints how many were read and how many were refused, each error that is not of ours, and the most memory that reading one took
beyond twice its size (what Python and NumPy allocate, and Arrow's pool). Work is done in processes that are thrown away every
thousand changes, so that one that dies is counted and costs no more. See tests/mutated.py for the changes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from queue import Empty

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import mutated

EACH = 1000
"""Number of changes of a process."""


def part(queue: multiprocessing.Queue, n: int, seed: int, only: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        queue.put(mutated.attack(Path(folder), n, seed=seed, only=only))


def answered(process: multiprocessing.Process, queue: multiprocessing.Queue):
    """What a process found; None where it died."""
    while True:
        try:
            answer = queue.get(timeout=1)
        except Empty:
            if not process.is_alive() and queue.empty():
                return None
        else:
            process.join()
            return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="part of the names of the files to change")
    options = parser.parse_args()
    outcomes, faults, most, died = Counter(), [], 0, 0
    context, begun = multiprocessing.get_context("fork"), time.perf_counter()
    for start in range(0, options.changes, EACH):
        queue, n = context.Queue(), min(EACH, options.changes - start)
        process = context.Process(target=part, args=(queue, n, options.seed + start, options.only))
        process.start()
        answer = answered(process, queue)
        if answer is None:
            died += 1
            print(f"a process ended with {process.exitcode} within seed {options.seed + start}", flush=True)
            continue
        some, wrong, beyond = answer
        outcomes, most = outcomes + some, max(most, beyond)
        faults += [f"seed {options.seed + start}: {fault}" for fault in wrong]
    print(
        f"{options.changes:,} changes in {time.perf_counter() - begun:.0f} s: {dict(outcomes)}; {died} processes died"
    )
    print(f"{len(faults)} faults", *faults[:40], sep="\n  ")
    print(f"most memory beyond twice the files: {most / 2**20:.2f} MiB")
    sys.exit(bool(faults or died))


if __name__ == "__main__":
    main()
