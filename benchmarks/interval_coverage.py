"""How often does each interval hold what it should, and how wide is it?

python benchmarks/interval_coverage.py [--repeats 300] [--only geometry]

Sets of known distributions are drawn again and again. An interval of a set of n rows should hold the mean of its
statistic over sets of n rows (of a count the median) in at least 92 of 100 of them. Its width is printed over 3.92
standard deviations of the statistic, which is the width of the best interval of 95 %.
"""

import argparse
import warnings
from collections import defaultdict

import numpy as np

from clipspace import Embeddings
from clipspace.measure.accuracy import proportion_interval
from clipspace.measure.bootstrap import bootstrap
from clipspace.probes import compare, geometry, modality_gap
from clipspace.probes.rows import accuracy_rows
from clipspace.seeds import stream


def cone(rng, n, d=24):
    """A Gaussian whose axes have falling lengths, about a mean."""
    return rng.normal(size=(n, d)) / np.sqrt(np.arange(1, d + 1)) + 1.5 * np.eye(d)[0]


def clusters(rng, n, d=24):
    """Ten groups of unequal size, close to curved sheets of three dimensions."""
    centres = np.random.default_rng(5).normal(size=(10, d))
    sheet = np.tanh(rng.normal(size=(n, 3)) @ np.random.default_rng(6).normal(size=(3, d)))
    return centres[np.minimum(rng.geometric(0.25, size=n) - 1, 9)] + sheet + 0.1 * rng.normal(size=(n, d))


def of_geometry(rng, n, make):
    return dict(_rows(geometry(Embeddings(make(rng, n)))))


def of_gap(rng, n, make):
    x = make(rng, n)
    t = x + 0.7 * rng.normal(size=x.shape) + 0.8 * np.eye(x.shape[1])[1]
    return dict(_rows(modality_gap(Embeddings(x), Embeddings(t, modality="text"), ks=(1,))))


def of_compare(rng, n, make):
    x = make(rng, n)
    y = np.tanh(x) + 0.5 * rng.normal(size=x.shape)
    return dict(_rows(compare(Embeddings(x), Embeddings(y), permutations=19)))


def of_means(rng, n, make):
    """Means of few rows, even and skewed, and shares."""
    even, skewed, right = rng.normal(size=n), rng.exponential(size=n), (rng.random(n) < 0.95).astype(float)
    few = rng.permutation(np.arange(n) % 8)
    guess = np.where(rng.random(n) < np.linspace(0.6, 0.98, 8)[few], few, (few + 1) % 8)
    rows = {
        "mean, even": (even.mean(), *bootstrap(even)),
        "mean, skewed": (skewed.mean(), *bootstrap(skewed)),
        "share of .95": (right.mean(), *proportion_interval(right)),
    }
    balanced = accuracy_rows(guess, few, range(8), chance=1 / 8)[1] if n >= 8 else None
    return rows | ({"balanced accuracy": (balanced.value, balanced.low, balanced.high)} if balanced else {})


KINDS = {"geometry": of_geometry, "gap": of_gap, "compare": of_compare, "means": of_means}
SIZES = {"geometry": (60, 300, 1000), "gap": (60, 300), "compare": (60, 300), "means": (6, 20, 100)}


def _rows(result):
    for row in result:
        keys = [str(row[key]) for key in result.table.keys if row[key] is not None]
        if row.get("low") is not None:
            yield " ".join(keys), (row.value, row.low, row.high)


def coverage(kind, n, make, repeats):
    """For each statistic its coverage, and the mean width over 3.92 standard deviations."""
    drawn = defaultdict(list)
    for i in range(repeats):
        for name, row in KINDS[kind](stream(i, f"coverage {kind} {n}"), n, make).items():
            drawn[name].append(row)
    for name, rows in drawn.items():
        value, low, high = np.array(rows, dtype=float).T
        true = np.median(value) if (value % 1 == 0).all() else value.mean()  # of a count the median, which is one
        width = (high - low).mean() / (3.92 * value.std(ddof=1)) if value.std() else np.nan
        yield name, true, np.mean((low <= true) & (true <= high)), width


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=300, help="sets to draw of each kind")
    parser.add_argument("--only", choices=list(KINDS), help="one kind of statistic")
    options = parser.parse_args()
    print(f"{'statistic':42} {'points':9} {'n':>5} {'mean':>9} {'coverage':>8} {'width':>6}")
    for kind in [options.only] if options.only else KINDS:
        for make in (cone, clusters) if kind != "means" else (cone,):
            for n in SIZES[kind]:
                for name, true, share, width in coverage(kind, n, make, options.repeats):
                    print(f"{name:42} {make.__name__:9} {n:5} {true:9.3f} {share:8.3f} {width:6.2f}", flush=True)
