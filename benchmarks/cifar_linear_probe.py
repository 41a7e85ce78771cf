"""CIFAR-10 on the mini space's features: our logistic regression against scikit-learn's at the same strengths.

scikit-learn's is solved by newton-cholesky in float64: its default, lbfgs, has not converged on these features
after 2,000 iterations, and is then up to a quarter of a point of accuracy away.

python benchmarks/cifar_linear_probe.py cifar10-train.parquet    # 40,000 to learn from, 10,000 to test on
"""

from __future__ import annotations

import argparse
import time
from io import BytesIO

import numpy as np
import pyarrow.parquet as pq
from PIL import Image
from sklearn.linear_model import LogisticRegression

from clipspace import load_space
from clipspace.probes.logistic_regression import linear
from clipspace.probes.nearest_neighbours import knn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parquet", help="with columns image (bytes) and label")
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--strengths", type=float, nargs="+", default=[0.1, 10.0, 1000.0])
    args = parser.parse_args()
    table = pq.read_table(args.parquet, columns=["image", "label"]).slice(0, args.rows).to_pylist()
    labels = np.array([row["label"] for row in table])
    start = time.perf_counter()
    points = load_space("mini").encode_images([Image.open(BytesIO(row["image"]["bytes"])) for row in table])
    print(f"encoded {len(points)} images in {time.perf_counter() - start:.0f} s")
    cut = len(points) * 4 // 5
    train, test = points[:cut], (points[cut:], labels[cut:])
    print(f"{'strength':>9} {'clipspace':>10} {'scikit-learn':>13} {'points apart':>13}")
    for strength in args.strengths:
        ours = linear(train, labels[:cut], held_out=test, search=[strength])["accuracy"].value
        model = LogisticRegression(C=1 / strength, solver="newton-cholesky").fit(
            train.vectors.astype(np.float64), labels[:cut]
        )
        theirs = model.score(test[0].vectors, labels[cut:])
        print(f"{strength:9.2g} {ours:10.4f} {theirs:13.4f} {100 * abs(ours - theirs):13.2f}", flush=True)
    start = time.perf_counter()
    scores = linear(train, labels[:cut], held_out=test)
    print(
        f"\n96 strengths in {time.perf_counter() - start:.1f} s, best {scores.provenance.options['strength']:.3g}\n{scores}\n"
    )
    print(knn(train, labels[:cut], held_out=test))


if __name__ == "__main__":
    main()
