"""Score an encoder on the scenes of this folder: how much of each factor can be read from its vectors.

    python score.py VECTORS.npy [--changed CHANGED.npy] [--ceiling TABLE.csv] [-o TABLE.csv]

VECTORS.npy is (n, d): row i is the vector of the image with id i of images.parquet. CHANGED.npy is (m, d): row j is the
vector of pair j of pairs.parquet, an image in which one factor alone was changed. Only NumPy and scikit-learn are needed.

The skill of a read-out is 1 - loss / chance on held-out rows, five folds: 0 is chance, 1 is perfect. The loss is the error
rate of labels and the squared error of amounts; chance is the loss if the predictions of a fold were handed out at random.
*availability* is the skill of the read-out that does best on the other folds, with its 95 % interval; *ceiling* is the
availability in another table, that of pixels say, and *share* availability over it. *sensitivity* is the mean angle
between a vector and that of the changed image, over the mean angle between unrelated images.
"""

import argparse
import csv
import json
import sys
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FOLDS = 5
MEASURABLE = 0.1
"""A ceiling below this is none: the factor cannot be measured here."""


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def as_targets(values, kind):
    """Labels as one-hot columns, amounts as one column of unit variance, those of a circle as cosine and sine."""
    if kind["kind"] == "label":
        classes = sorted(set(values))
        return np.array([[value == c for c in classes] for value in values], float), True
    amounts = np.array(values, float)[:, None]
    if kind["period"]:
        turned = 2 * np.pi * amounts / kind["period"]
        return np.hstack([np.cos(turned), np.sin(turned)]), False
    return (amounts - amounts.mean()) / amounts.std(), False


READ_OUTS = {
    "linear": make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 5, 15))),
    "neighbours": KNeighborsRegressor(10, algorithm="brute"),
    "mlp": make_pipeline(
        StandardScaler(),
        MLPRegressor(hidden_layer_sizes=(64,), alpha=1.0, early_stopping=True, max_iter=100, random_state=0),
    ),
}
"""Of rising capacity; labels are read as one-hot columns, and the largest one is said."""


def losses(read_out, x, y, labels, folds):
    """Loss and chance of every row, each held out once."""
    loss, chance = np.empty(len(x)), np.empty(len(x))
    for train, test in folds:
        said, true = clone(read_out).fit(x[train], y[train]).predict(x[test]).reshape(len(test), -1), y[test]
        if labels:
            said, true = said.argmax(axis=1), true.argmax(axis=1)
            loss[test] = said != true
            chance[test] = 1 - (np.bincount(said, minlength=y.shape[1]) / len(test))[true]
        else:
            loss[test] = ((said - true) ** 2).sum(axis=1)
            chance[test] = ((true - said.mean(axis=0)) ** 2).sum(axis=1) + said.var(axis=0).sum()
    return loss, chance


def score_factor(x, y, labels):
    """Skill of each read-out, and the availability with its interval."""
    cutter = (StratifiedKFold if labels else KFold)(FOLDS, shuffle=True, random_state=0)
    folds = list(cutter.split(x, y.argmax(axis=1) if labels else y))
    found = {name: losses(read_out, x, y, labels, folds) for name, read_out in READ_OUTS.items()}
    loss, chance = np.empty(len(x)), np.empty(len(x))
    for train, test in folds:  # the read-out that does best on the other folds
        best = min(found, key=lambda name: found[name][0][train].mean() / found[name][1][train].mean())
        loss[test], chance[test] = found[best][0][test], found[best][1][test]
    skill = 1 - loss.mean() / chance.mean()
    influence = (loss - (1 - skill) * chance) / (len(x) * chance.mean())
    rate = (loss.sum() + 2) / (len(loss) + 4) if labels else 0  # no errors in n rows are no proof of none
    least = rate * (1 - rate) / (len(loss) + 4) / chance.mean() ** 2  # (Agresti & Coull 1998)
    half = 1.96 * np.sqrt(max((influence**2).sum(), least))
    row = {"availability": skill, "low": skill - half, "high": skill + half}
    return row | {name: 1 - a.mean() / b.mean() for name, (a, b) in found.items()}


def sensitivities(folder, x, changed):
    """Of each factor that was changed: how far its pairs are apart, beside unrelated images."""
    pairs = read(folder / "pairs.csv")
    changed = unit(changed, len(pairs))
    rng = np.random.default_rng(0)
    a, b = rng.integers(len(x), size=(2, 5000))
    typical = np.arccos((x[a[a != b]] * x[b[a != b]]).sum(axis=1).clip(-1, 1)).mean()
    moved = np.arccos((x[[int(pair["id"]) for pair in pairs]] * changed).sum(axis=1).clip(-1, 1))
    names = np.array([pair["factor"] for pair in pairs])
    return {name: moved[names == name].mean() / typical for name in dict.fromkeys(names)}


def unit(path, n):
    x = np.load(path, allow_pickle=False).astype(np.float64)
    if x.ndim != 2 or len(x) != n or not np.isfinite(x).all():
        sys.exit(f"score: expected {n} finite vectors in {path}, one an image, got shape {x.shape}")
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def score(folder, vectors, changed=None, ceiling=None):
    """The table, one row a factor, from kept to ignored."""
    images = read(folder / "factors.csv")
    x, table = unit(vectors, len(images)), []
    moved = sensitivities(folder, x, changed) if changed else {}
    ceilings = {row["factor"]: float(row["availability"]) for row in read(ceiling)} if ceiling else {}
    for name, kind in json.loads((folder / "factors.json").read_text()).items():
        rows = [i for i, image in enumerate(images) if image[name] != ""]
        found = score_factor(x[rows], *as_targets([images[i][name] for i in rows], kind))
        top = ceilings.get(name)
        share = found["availability"] / top if top is not None and top > MEASURABLE else None
        last = {"ceiling": top, "share": share, "sensitivity": moved.get(name), "n": len(rows)}
        table.append({"factor": name} | found | last)
    return sorted(table, key=lambda row: -row["availability"])


def main():
    """Write the table of the vectors that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vectors", type=Path)
    parser.add_argument("--changed", type=Path)
    parser.add_argument("--ceiling", type=Path)
    parser.add_argument("-o", "--output", type=argparse.FileType("w"), default=sys.stdout)
    args = parser.parse_args()
    rows = score(Path(__file__).resolve().parent, args.vectors, args.changed, args.ceiling)
    writer = csv.DictWriter(args.output, rows[0])
    writer.writeheader()
    for row in rows:
        writer.writerow({k: f"{v:.3f}" if isinstance(v, float) else v for k, v in row.items()})


if __name__ == "__main__":
    main()
