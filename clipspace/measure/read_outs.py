"""Read-outs of rising capacity: ridge regression, nearest neighbours, a small perceptron; each predicts held-out rows.

Each takes points ``x`` ``(n, d)``, ``targets`` ``(b, n, k)`` of b tasks (labels one-hot, amounts as they are) and
the fold of each row in each task, int ``(b, n)``, and returns out-of-fold predictions ``(b, n, k)``: those of a
row come from a read-out that never saw it.
"""

from __future__ import annotations

import numpy as np

from clipspace.measure.perceptron import perceptron_predictions

STRENGTHS = np.logspace(-2, 5, 15)
"""Of the ridge penalty, on standardised directions."""
NEIGHBOURS = 10
_BLOCK = 1024


def linear(x: np.ndarray, targets: np.ndarray, folds: np.ndarray, *, labels: bool, seed: int) -> np.ndarray:
    """Ridge regression on standardised directions; its strength is chosen by leave-one-out on the training rows."""
    out = np.empty(targets.shape)
    for which, tasks in _alike(folds):
        for fold in range(which.max() + 1):
            test = which == fold
            out[np.ix_(tasks, test)] = ridge_predictions(x[~test], targets[tasks][:, ~test], x[test])
    return out


def neighbours(x: np.ndarray, targets: np.ndarray, folds: np.ndarray, *, labels: bool, seed: int) -> np.ndarray:
    """The mean target of the `NEIGHBOURS` nearest training rows by Euclidean distance (of unit vectors: by cosine)."""
    out = np.empty(targets.shape)
    x = x.astype(np.float32)
    for which, tasks in _alike(folds):
        for fold in range(which.max() + 1):
            train = np.flatnonzero(which != fold)
            for test in np.array_split(np.flatnonzero(which == fold), 1 + (which == fold).sum() // _BLOCK):
                near = train[_nearest(x[train], x[test])]
                for task in tasks:
                    out[task, test] = targets[task][near].mean(axis=1)
    return out


def mlp(x: np.ndarray, targets: np.ndarray, folds: np.ndarray, *, labels: bool, seed: int) -> np.ndarray:
    """A perceptron of one hidden layer; see `clipspace.measure.perceptron`."""
    pairs = [(task, fold) for task in range(len(folds)) for fold in range(folds[task].max() + 1)]
    tasks = [task for task, _ in pairs]
    held_out = np.stack([folds[task] == fold for task, fold in pairs])
    predicted = perceptron_predictions(x, targets[tasks], ~held_out, labels=labels, seed=seed)
    out = np.empty(targets.shape)
    for task, test, values in zip(tasks, held_out, predicted, strict=True):
        out[task, test] = values[test]
    return out


READ_OUTS = {"linear": linear, "neighbours": neighbours, "mlp": mlp}


def _alike(folds: np.ndarray) -> list[tuple[np.ndarray, list[int]]]:
    """Each assignment to folds, and the tasks that have it: they share a factorisation."""
    groups: dict[bytes, list[int]] = {}
    for task, which in enumerate(folds):
        groups.setdefault(which.tobytes(), []).append(task)
    return [(folds[tasks[0]], tasks) for tasks in groups.values()]


def ridge_predictions(x: np.ndarray, targets: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Predictions ``(b, m, k)`` of b tasks at the rows ``at``; each task has the strength of its least leave-one-out error."""
    out = np.empty((len(targets), len(at), targets.shape[2]))
    errors, predicted = ridge_path(x, targets, at, STRENGTHS)
    for task, strength in enumerate(errors.argmin(axis=0)):
        out[task] = predicted[strength][task]
    return out


def ridge_path(
    x: np.ndarray, targets: np.ndarray, at: np.ndarray, strengths: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """For each of s strengths the mean squared leave-one-out error of b tasks ``(s, b)``, and predictions ``(b, m, k)``.

    Directions are standardised by the training rows ``x``; one decomposition serves all strengths and tasks.
    """
    mean, scale = x.mean(axis=0), x.std(axis=0)
    scale = np.where(scale > 1e-9 * max(1e-9, scale.max()), scale, np.inf)
    x, at = ((rows - mean) / scale for rows in (x.astype(np.float64), at))
    left, moments, right = _svd(x)
    level = targets.mean(axis=1, keepdims=True)
    turned = np.einsum("nr,bnk->brk", left, targets - level, optimize=True)
    squared, there, errors, predicted = left**2, at @ right.T, [], []
    for strength in strengths:
        kept = moments**2 / (moments**2 + strength)
        leverage = squared @ kept + 1 / len(x)
        missed = targets - level - left @ (kept[:, None] * turned)
        missed = missed / (1 - np.minimum(leverage, 1 - 1e-9))[:, None]
        errors.append((missed**2).mean(axis=(1, 2)))
        predicted.append(there @ ((moments / (moments**2 + strength))[:, None] * turned) + level)
    return np.array(errors), predicted


def _svd(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The singular value decomposition, by way of the moments of the shorter side, without directions of no variance."""
    wide = len(x) < x.shape[1]
    values, axes = np.linalg.eigh(x @ x.T if wide else x.T @ x)
    there = values > 1e-10 * values.max()
    moments, axes = np.sqrt(values[there]), axes[:, there]
    return (axes, moments, (x.T @ axes / moments).T) if wide else (x @ axes / moments, moments, axes.T)


def _nearest(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    k = min(NEIGHBOURS, len(train))
    distance = (train**2).sum(axis=1) - 2 * test @ train.T
    return np.argpartition(distance, k - 1, axis=1)[:, :k]
