"""Which rows each step trains on, and which are never trained on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from clipspace.seeds import stream

SHARE, FEWEST, MOST = 0.05, 50, 2000
"""Held-out rows: their share of all, and the least and the most of them."""


def held_out(n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows to train on and those that are held out, each int64 and rising: a random share, by the seed alone.

    >>> train, held = held_out(1000, seed=0)
    >>> len(train), len(held), len(set(train) & set(held))
    (950, 50, 0)
    """
    order = stream(seed, "held-out rows").permutation(n)
    k = int(np.clip(round(SHARE * n), FEWEST, MOST))
    return np.sort(order[k:]), np.sort(order[:k])


def batches(n: int, batch_size: int, first: int, *, seed: int) -> Iterator[tuple[int, np.ndarray]]:
    """``(step, rows)`` from the step ``first`` on, for ever: ``batch_size`` rows below ``n``, rising.

    Every epoch is a shuffle of its own, so that a step has the same rows however often a run was resumed.
    """
    batch_size = min(batch_size, n)
    per_epoch = n // batch_size
    epoch, order, step = -1, np.empty(0, dtype=int), first
    while True:
        if step // per_epoch != epoch:
            epoch = step // per_epoch
            order = stream(seed, "order of the rows", epoch).permutation(n)
        k = step % per_epoch
        yield step, np.sort(order[k * batch_size : (k + 1) * batch_size])
        step += 1
