"""Concepts of images over a vocabulary: the batched exact solver against scikit-learn's Lasso, row by row.

Both minimise |w C - z|^2 + 0.25 sum(w), w >= 0, as SpLiCE does (its solver is this Lasso with these options). The Lasso
gets float32, in which it is quicker, and a dictionary in the memory order it wants. It may be timed on the first
rows only and multiplied up; the table says so. Objectives are compared in float64 on the same rows.

    python benchmarks/concepts.py                # 1,000 images, 10,000 words, d = 512; 100 rows of the Lasso
    python benchmarks/concepts.py --sample 1000  # all of them
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
from sklearn.linear_model import Lasso

from clipspace.measure.sparse import sparse_codes
from clipspace.points.sphere import unit


def clock() -> np.ndarray:
    """Seconds on the wall, and of this process on the processor: the second is steady on a shared machine."""
    return np.array([time.perf_counter(), time.process_time()])


def planted(n: int, v: int, d: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Words with a falling spectrum; images that are sums of 12 of them and of as much noise again, as CLIP's are."""
    rng = np.random.default_rng(seed)
    scales = np.arange(1, d + 1) ** -0.3
    words = unit(rng.normal(size=(v, d)) * scales)
    codes = np.zeros((n, v))
    for row in codes:
        row[rng.choice(v, 12, replace=False)] = rng.uniform(0.3, 1, 12)
    return unit(unit(codes @ words) + 0.6 * unit(rng.normal(size=(n, d)) * scales)), words


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("images", 1000), ("words", 10_000), ("dims", 512), ("sample", 100), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--strength", type=float, default=0.25)
    args = parser.parse_args()
    targets, words = planted(args.images, args.words, args.dims, args.seed)
    single = [a.astype(np.float32) for a in (targets, words)]

    ours = []
    for _ in range(3):
        start = clock()
        rows, columns, weights, excess = sparse_codes(*single, args.strength)
        ours.append(clock() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    alpha = args.strength / (2 * args.dims)
    lasso = Lasso(alpha=alpha, positive=True, fit_intercept=False, max_iter=10_000, tol=1e-6)
    start = clock()
    theirs = np.stack([lasso.fit(single[1].T, z).coef_.copy() for z in single[0][: args.sample]]).astype(np.float64)
    their_seconds = (clock() - start) / args.sample * args.images

    codes = np.zeros((args.sample, args.words))
    chosen = rows < args.sample
    codes[rows[chosen], columns[chosen]] = weights[chosen]
    losses = [
        ((targets[: args.sample] - w @ words) ** 2).sum(axis=1) + args.strength * w.sum(axis=1) for w in (codes, theirs)
    ]
    how = "all timed" if args.sample == args.images else f"{args.sample} rows timed, multiplied up"
    best = np.min(ours, axis=0)
    print(f"{args.images} images, {args.words} words, d = {args.dims}, strength {args.strength}; peak {peak:.0f} MiB")
    print(f"{'seconds':18} {'wall':>8} {'CPU':>8}")
    print(f"scikit-learn Lasso {their_seconds[0]:8.2f} {their_seconds[1]:8.2f}  ({how})")
    print(f"clipspace          {best[0]:8.2f} {best[1]:8.2f}  (best of {len(ours)})")
    print(f"ratio              {their_seconds[0] / best[0]:8.1f} {their_seconds[1] / best[1]:8.1f}")
    print(
        f"objective, theirs - ours: mean {np.mean(losses[1] - losses[0]):.1e}, least {np.min(losses[1] - losses[0]):.1e}; "
        f"optimality conditions missed by {excess.max():.1e}"
    )
    print(f"words per image: {len(rows) / args.images:.1f} and {(theirs > 0).sum(axis=1).mean():.1f}")


if __name__ == "__main__":
    main()
