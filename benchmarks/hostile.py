"""2,000 mutated files among 500 good ones: no crash, no hang, nothing lost, every bad one recorded with a reason.

    python benchmarks/hostile.py --mutants 2000 --good 500

What is bad is said by Pillow alone, used the plain way; see tests/hostile.py for the mutants.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import hostile

from clipspace import load_space
from clipspace.space.encoding import encode


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutants", type=int, default=2000)
    parser.add_argument("--good", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    space = load_space("mini", device="cpu")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as work:
        folder, output = Path(work) / "in", Path(work) / "out"
        made = hostile.make(folder, good=options.good, mutants=options.mutants, seed=options.seed)
        began = time.perf_counter()
        done = encode(space, folder, output)
        seconds = time.perf_counter() - began
        problems = hostile.problems(output, made)
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**10
    print(
        f"{len(made)} files in {seconds:.1f} s: {done.stored} stored, {done.rows - done.stored} recorded; +{peak:.0f} MiB"
    )
    for reason, count in done.rejected.items():
        print(f"  {count:5} {reason}")
    print(f"problems: {len(problems)}", *problems[:20], sep="\n  ")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
