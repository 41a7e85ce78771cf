"""Sparse autoencoders: how many planted directions ours and overcomplete's find, in the same number of steps.

Both are a linear layer, the k largest, and a dictionary of unit rows, trained by Adam on the same rows with an auxiliary
loss for dead features (overcomplete's own, and its own training loop). Found is a planted direction with a cosine above
0.9 to a learnt one; seconds are of this process on the processor. overcomplete 0.3.0 needs matplotlib below 3.11.

    python benchmarks/sparse_autoencoder.py
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from clipspace.measure.dictionary import Dictionary, learn_dictionary
from clipspace.points.sphere import unit

COLUMNS = ("points", "features", "k", "method", "median cosine", "found", "explained", "dead", "CPU s")


def planted(n: int, d: int, m: int, k: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of mean 0 and mean square length 1, each of ``k`` out of ``m`` directions and noise; and the directions."""
    rng = np.random.default_rng(seed)
    directions = unit(rng.normal(size=(m, d)))
    codes = np.zeros((n, m))
    for row in codes:
        row[rng.choice(m, k, replace=False)] = rng.uniform(0.5, 1.5, k)
    x = codes @ directions + 0.02 * rng.normal(size=(n, d))
    x -= x.mean(axis=0)
    return (x / np.sqrt((x**2).sum(axis=1).mean())).astype(np.float32), directions


def overcomplete(x: np.ndarray, features: int, k: int, steps: int, learning_rate: float) -> Dictionary:
    from overcomplete.sae import TopKSAE, train_sae
    from overcomplete.sae.losses import top_k_auxiliary_loss
    from torch.utils.data import DataLoader, TensorDataset

    torch.manual_seed(0)
    model = TopKSAE(x.shape[1], features, top_k=k)
    rows = DataLoader(TensorDataset(torch.from_numpy(x)), 256, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters(), learning_rate)
    epochs = max(1, round(steps / len(rows)))
    train_sae(model, rows, top_k_auxiliary_loss, optimizer, nb_epochs=epochs, monitoring=0)
    linear = model.eval().encoder.final_block[0]
    return Dictionary(*(a.detach().numpy() for a in (model.get_dictionary(), linear.weight, linear.bias)))


def ours(x: np.ndarray, features: int, k: int, steps: int, learning_rate: float) -> Dictionary:
    how = {"steps": steps, "batch_size": 256, "learning_rate": learning_rate}
    return learn_dictionary(x, features=features, k=k, seed=0, device="cpu", **how)


def report(name: str, learn, x: np.ndarray, truth: np.ndarray, k: int, steps: int, learning_rate: float) -> None:
    start = time.process_time()
    learnt = learn(x, len(truth), k, steps, learning_rate)
    seconds = time.process_time() - start
    best = (truth @ unit(learnt.directions).T).max(axis=1)
    which, weights = learnt.activations(x, k)
    rebuilt = np.einsum("nk,nkd->nd", weights, learnt.directions[which])
    dead = 1 - len(np.unique(which[weights > 0])) / len(truth)
    explained = 1 - ((x - rebuilt) ** 2).sum() / (x**2).sum()
    sizes = f"{x.shape[0]} x {x.shape[1]}", len(truth), k, f"{name}, rate {learning_rate:g}"
    numbers = (f"{v:.3f}" for v in (np.median(best), (best > 0.9).mean(), explained, dead))
    print("| " + " | ".join(map(str, (*sizes, *numbers, f"{seconds:.0f}"))) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000)
    args = parser.parse_args()
    print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS))
    for n, d, m, k in ((8000, 32, 64, 3), (8000, 64, 128, 4), (20_000, 256, 1024, 8)):
        x, truth = planted(n, d, m, k, seed=0)
        for rate in (3e-3, 1e-2):
            report("clipspace", ours, x, truth, k, args.steps, rate)
            report("overcomplete", overcomplete, x, truth, k, args.steps, rate)


if __name__ == "__main__":
    main()
