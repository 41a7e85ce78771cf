"""Numbers of a report, each again by a line of NumPy, from vectors and images alone."""

from __future__ import annotations

import numpy as np


def _cosines(x, y=None):
    cosines = x @ (x if y is None else y).T
    return cosines[~np.eye(len(cosines), dtype=bool)].reshape(len(cosines), -1)


def _eigenvalues(x):
    return np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2 / (len(x) - 1)


def spectrum(x: np.ndarray, *, k: int = 10, levels=(0.9, 0.95, 0.99)) -> dict[tuple, float]:
    """What `probes.modalities.geometry` says of unit vectors (n, d)."""
    n = len(x)
    values = _eigenvalues(x)
    shares = values[values > 0] / values.sum()
    held = np.cumsum(values) / values.sum()
    centred = x - x.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    square = np.maximum(2 - 2 * _cosines(x), 0)
    distances = np.sqrt(np.sort(square, axis=1))
    nearest = np.argsort(-(x @ x.T) + 9 * np.eye(n), axis=1, kind="stable")[:, :k]
    counts = np.bincount(nearest.ravel(), minlength=n)
    log = np.sort(np.log(distances[:, 1] / distances[:, 0]))[: int(0.9 * n)]
    heights = -np.log(1 - np.arange(1, len(log) + 1) / n)
    m = min(20, n - 1)
    by_coordinate = x.sum(axis=0) ** 2 - (x**2).sum(axis=0)
    return {
        ("mean cosine", "raw"): _cosines(x).mean(),
        ("mean cosine", "centred"): _cosines(centred).mean(),
        ("norm of the mean", None): np.linalg.norm(x.mean(axis=0)),
        ("largest coordinate's share of the mean", None): (by_coordinate / by_coordinate.sum()).max(),
        ("uniformity", None): np.log(np.exp(-2 * square).mean()),
        ("participation ratio", None): values.sum() ** 2 / (values**2).sum(),
        ("effective rank", None): np.exp(-(shares * np.log(shares)).sum()),
        **{("components", f"{share:.0%}"): 1 + int((held < share).sum()) for share in levels},
        ("dimension", "TwoNN"): (log @ heights) / (log @ log),
        ("dimension", "MLE"): (m - 1) / np.log(distances[:, m - 1 : m] / distances[:, : m - 1]).sum(axis=1).mean(),
        ("skew of k-occurrences", None): ((counts - counts.mean()) ** 3).mean() / counts.std() ** 3,
        ("largest hub's share of lists", None): counts.max() / n,
    }


def gap(x: np.ndarray, t: np.ndarray, captions: list[str]) -> dict[tuple, float]:
    """What `probes.modalities.modality_gap` says of unit vectors of images (n, d) and of the caption of each."""
    apart = x.mean(axis=0) - t.mean(axis=0)
    noise = np.trace(np.cov(x - t, rowvar=False)) / len(x)
    middle = (x.mean(axis=0) + t.mean(axis=0)) @ apart / 2
    said = list(dict.fromkeys(captions))
    once = t[[captions.index(caption) for caption in said]]
    right = np.array([[caption == text for text in said] for caption in captions])
    found = {
        ("gap", "raw", None, None): np.linalg.norm(apart),
        ("gap", "unbiased", None, None): np.sqrt(max(apart @ apart - noise, 0)),
        ("separability along the gap", None, None, None): np.mean([*(x @ apart > middle), *(t @ apart < middle)]),
        ("cosine", "paired", None, None): (x * t).sum(axis=1).mean(),
        ("cosine", "unpaired", None, None): (x @ once.T)[~right].mean(),
        ("cosine", "of images", None, None): _cosines(x).mean(),
        ("cosine", "of texts", None, None): _cosines(t).mean(),
        ("alignment", None, None, None): ((x - t) ** 2).sum(axis=1).mean(),
    }
    for way, cosines, true in (("text to image", once @ x.T, right.T), ("image to text", x @ once.T, right)):
        best = np.where(true, cosines, -np.inf).max(axis=1, keepdims=True)
        wrong = ((cosines >= best) & ~true).sum(axis=1)
        found |= {("recall", "raw", way, k): np.mean(wrong < k) for k in (1, 5, 10)}
    return found


def shared(x: np.ndarray, labels, *, k: int = 10) -> tuple[float, float]:
    """How many of the ``k`` nearest have the same label, and by chance."""
    nearest = np.argsort(-(x @ x.T) + 9 * np.eye(len(x)), axis=1, kind="stable")[:, :k]
    labels = np.array([str(label) for label in labels])
    pairs = _cosines(np.zeros((len(x), 1))).size
    same = (labels[:, None] == labels).sum() - len(x)
    return float((labels[nearest] == labels[:, None]).mean()), same / pairs
