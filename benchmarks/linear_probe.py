"""The 96-strength sweep of the linear probe: one batched fit against the loop over scikit-learn's.

Both fit the same rows and are scored on the same validation rows, in float32 and with the same threads.
scikit-learn has its defaults but for max_iter=1000, as in the CLIP paper. Its loop may be timed on a sample of
the strengths, one drawn from each of as many equal parts of the range, and multiplied up; the table says so.

    python benchmarks/linear_probe.py                       # 50,000 x 512, 10 classes, 8 of the 96 strengths
    python benchmarks/linear_probe.py --sample 96           # the whole loop
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
from sklearn.linear_model import LogisticRegression

from clipspace.measure.logistic import fit_logistic
from clipspace.probes.logistic_regression import STRENGTHS


def features(n: int, d: int, k: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Classes in features as CLIP's: a falling spectrum, a mean far from zero, norms of about 10."""
    rng = np.random.default_rng(seed)
    scales = np.arange(1, d + 1) ** -0.5
    ids = rng.integers(k, size=n)
    centres = 0.12 * rng.normal(size=(k, d)) * scales
    x = (rng.normal(size=(n, d)) * scales + centres[ids]) @ np.linalg.qr(rng.normal(size=(d, d)))[0]
    x += 0.1 * rng.normal(size=d)
    return (10 * x / np.linalg.norm(x, axis=1).mean()).astype(np.float32), ids


def mean_loss(x, ids, weights, intercept, strength) -> float:
    logits = x.astype(np.float64) @ weights + intercept
    logits -= logits.max(axis=1, keepdims=True)
    data = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(x)), ids]
    return float(data.mean() + strength / 2 * (np.asarray(weights, dtype=np.float64) ** 2).sum() / len(x))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rows", 50_000), ("dims", 512), ("classes", 10), ("validation", 10_000), ("sample", 8)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    x, ids = features(args.rows + args.validation, args.dims, args.classes, args.seed)
    train, valid = slice(0, args.rows), slice(args.rows, None)

    start = time.perf_counter()
    fits = fit_logistic(x[train], ids[train], STRENGTHS)
    ours = (fits.predict(x[valid]) == ids[valid]).mean(axis=1)
    our_seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    rng = np.random.default_rng(args.seed)
    chosen = [int(rng.choice(part)) for part in np.array_split(np.arange(len(STRENGTHS)), args.sample)]
    seconds, theirs, ahead = [], [], []
    print(f"{'strength':>10} {'scikit-learn':>22} {'clipspace':>12}   loss above clipspace's")
    for i in chosen:
        start = time.perf_counter()
        model = LogisticRegression(C=1 / STRENGTHS[i], max_iter=1000).fit(x[train], ids[train])
        theirs.append(model.score(x[valid], ids[valid]))
        seconds.append(time.perf_counter() - start)
        losses = [
            mean_loss(x[train], ids[train], w, b, STRENGTHS[i])
            for w, b in ((model.coef_.T, model.intercept_), (fits.weights[i], fits.intercepts[i]))
        ]
        ahead.append(losses[0] - losses[1])
        print(
            f"{STRENGTHS[i]:10.2e} {seconds[-1]:7.1f} s, acc {theirs[-1]:.4f} {'acc':>5} {ours[i]:.4f}   {ahead[-1]:.1e}",
            flush=True,
        )
    whole = float(np.mean(seconds)) * len(STRENGTHS)
    how = "timed whole" if args.sample == len(STRENGTHS) else f"{args.sample} of 96 timed, multiplied up"
    print(f"\n{args.rows} x {args.dims}, {args.classes} classes, 96 strengths; {args.validation} validation rows")
    print(f"scikit-learn loop  {whole:9.1f} s  ({how})")
    print(f"clipspace          {our_seconds:9.1f} s  ({int(fits.passes.max())} passes at most, peak {peak:.0f} MiB)")
    print(f"ratio              {whole / our_seconds:9.1f}")
    print(
        f"best validation accuracy {max(theirs):.4f} against {ours[chosen].max():.4f} on the same strengths "
        f"({ours.max():.4f} on all 96); largest difference {np.abs(ours[chosen] - theirs).max():.4f}"
    )


if __name__ == "__main__":
    main()
