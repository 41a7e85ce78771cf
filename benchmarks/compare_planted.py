"""Two embeddings that differ in one factor: how often does `compare` put that factor first, and what else does it flag?

    python benchmarks/compare_planted.py --seeds 20

A holds three labels and an amount; B lacks one of the labels, or holds it at a share of its length ("left") beneath noise of
.2. Flagged are other factors whose interval of skill gained leaves 0 out.
"""

from __future__ import annotations

import argparse

import numpy as np

from clipspace import Embeddings
from clipspace.probes import compare
from clipspace.seeds import stream


def spaces(seed: int, n: int, left: float) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray], str]:
    """Points of A and of B, the factors, and the name of the one that B lacks."""
    rng = stream(seed, "planted factor")
    factors = {name: rng.integers(3, size=n) for name in "abc"} | {"size": rng.normal(size=n)}
    codes = {name: (np.eye(3)[v] if v.dtype.kind == "i" else v[:, None]) for name, v in factors.items()}
    lost = "abc"[seed % 3]
    kept = [code * (left if name == lost else 1.0) for name, code in codes.items()]
    noise = 0.2 * rng.normal(size=(2, n, 6))
    a, b = np.hstack([*codes.values(), noise[0]]), np.hstack([*kept, noise[1]])
    return a + 0.2 * rng.normal(size=a.shape), b + 0.2 * rng.normal(size=b.shape), factors, lost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--left", type=float, nargs="+", default=[0.0, 0.3])
    args = parser.parse_args()
    print("| left of the factor in B | first | its interval below 0 | mean skill gained | other factors flagged |")
    print("|---|---|---|---|---|")
    for left in args.left:
        first, below, gains, flagged = 0, 0, [], 0
        for seed in range(args.seeds):
            a, b, factors, lost = spaces(seed, args.n, left)
            alike = compare(Embeddings(a), Embeddings(b), columns=factors, permutations=1, seed=seed)
            rows = [row for row in alike if row.score == "skill gained"]
            first += rows[0].variant == lost
            below += rows[0].high < 0
            gains.append(next(row.value for row in rows if row.variant == lost))
            flagged += sum(row.variant != lost and (row.low > 0 or row.high < 0) for row in rows)
        n = args.seeds
        print(
            f"| {left:.1f} | {first} of {n} | {below} of {n} | {np.mean(gains):+.2f} | {flagged} of {3 * n} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
