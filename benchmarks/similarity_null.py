"""How often does the permutation null call unrelated sets alike, and how high is plain CKA of them?

python benchmarks/similarity_null.py [--repeats 400] [--permutations 19] [--sizes 200 1000] [--dimensions 64 256 1280]

Of unrelated Gaussian sets of n rows in d dimensions, p should be .05 or below in 5 of 100. With 19 orders that is where the
true order has the highest value.
"""

import argparse

import numpy as np

from clipspace.measure import similarity
from clipspace.measure.permuted import MEASURES, p_values, permuted

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=400, help="pairs of sets of each size")
    parser.add_argument("--permutations", type=int, default=19, help="random orders of each pair")
    parser.add_argument("--sizes", type=int, nargs="+", default=(200, 1000), help="numbers of rows")
    parser.add_argument("--dimensions", type=int, nargs="+", default=(64, 256, 1280), help="numbers of columns")
    options = parser.parse_args()
    print(f"{'n':>5} {'d':>5} {'plain CKA':>9}  false positives: {', '.join(MEASURES)}")
    for n in options.sizes:
        for d in options.dimensions:
            rejected, cka = [], []
            for i in range(options.repeats):
                rng = np.random.default_rng([n, d, i])
                x, y = rng.normal(size=(n, d)), rng.normal(size=(n, d))
                null = permuted(x, y, permutations=options.permutations, rng=rng)
                values = {
                    "linear CKA": similarity.linear_cka(x, y),
                    "unbiased linear CKA": similarity.linear_cka(x, y, unbiased=True),
                    "RSA": similarity.rsa(x, y),
                    "mutual neighbours": similarity.mutual_neighbours(x, y),
                }
                cka.append(values["linear CKA"])
                rejected.append([p_values(values, null)[name] <= 0.05 for name in MEASURES])
            shares = "  ".join(f"{share:.3f}" for share in np.mean(rejected, axis=0))
            print(f"{n:5} {d:5} {np.mean(cka):9.2f}  {shares}", flush=True)
