"""Repeated K folds: every row is held out once in each repeat."""

from __future__ import annotations

import numpy as np

from clipspace.seeds import stream


def repeated_folds(n: int, *, folds: int, repeats: int, seed: int, classes: np.ndarray | None = None) -> np.ndarray:
    """The fold of each row on each repeat: int ``(repeats, n)``, from 0 to ``folds - 1``.

    Folds are of equal size but for one row. With ``classes`` ``(n,)`` each class is dealt out evenly, one fold after
    another, so that a class of two members is in two folds. The folds depend on n, the classes and the seed alone:
    two spaces of the same images are cut alike.
    """
    out = np.empty((repeats, n), dtype=int)
    for repeat in range(repeats):
        order = stream(seed, "folds", repeat).permutation(n)
        if classes is not None:
            order = order[np.argsort(classes[order], kind="stable")]
        out[repeat, order] = np.arange(n) % folds
    return out
