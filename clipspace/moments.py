"""Mean and scatter of a set in one pass, and how two of them make one: the statistics a PCA is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from clipspace.blocks import blocks, check_lengths, parts, shape
from clipspace.engines import each
from clipspace.errors import InputError


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, mean ``(d,)`` and scatter ``(d, d)`` (sum of squared deviations from the mean) of rows, float64."""

    n: int
    mean: np.ndarray
    scatter: np.ndarray

    def merge(self, other: Moments) -> Moments:
        """The moments of both sets of rows together (Chan, Golub & LeVeque 1979).

        >>> rows = np.random.default_rng(0).normal(size=(9, 2))
        >>> both = moments(rows[:4]).merge(moments(rows[4:]))
        >>> bool(np.allclose(both.scatter, moments(rows).scatter))
        True
        """
        if self.mean.shape != other.mean.shape:
            raise InputError(f"merge: expected moments in {len(self.mean)} dimensions, got {len(other.mean)}")
        n = self.n + other.n
        apart = other.mean - self.mean
        scatter = self.scatter + other.scatter + np.outer(apart, apart) * (self.n * other.n / n)
        return Moments(n, self.mean + apart * (other.n / n), scatter)


def moments(
    points: Any,
    *,
    unit: bool = False,
    device: str | None = None,
    engine: str = "local",
    workers: int | None = None,
) -> Moments:
    """Moments of an array, `Embeddings` or store, in one pass and d x d memory.

    float64 input is summed in float64. Anything narrower is multiplied in float32, a block at a time, and
    summed over blocks in float64; the rows of a part are first shifted by the mean of its first block, so that
    a large common mean (which CLIP has) costs no accuracy. Parts are merged in order, whoever summed them.

    Parameters
    ----------
    unit : scale every row to norm 1 first
    device : a torch device for the matrix products ("cuda"); NumPy when None
    engine, workers : "local", or "ray" for parts on ``workers`` cores (or GPUs) of a Ray cluster

    Raises `InputError` for no rows, rows that are not finite and, with ``unit``, zero rows.
    """
    if shape(points)[0] == 0:
        raise InputError("moments: expected at least one row, got none")
    gpus = int(device is not None and not device.startswith("cpu"))
    found = each(_moments_of_part, parts(points), unit, device, engine=engine, workers=workers, gpus=gpus)
    return reduce(Moments.merge, found)


def _moments_of_part(seen: int, points: Any, unit: bool, device: str | None) -> Moments:
    """Moments of the rows from number ``seen`` on."""
    n, d = shape(points)
    product = _product(device)
    shift: np.ndarray | None = None
    total, gram = np.zeros(d), np.zeros((d, d))
    buffer = np.empty(0)
    for block in blocks(points):
        dtype = np.float32 if block.dtype.kind == "f" and block.dtype.itemsize <= 4 else np.float64
        if shift is None:
            shift = _first_mean(block, unit).astype(dtype)
        if buffer.shape != block.shape or buffer.dtype != dtype:
            buffer = np.empty(block.shape, dtype)
        _shifted(block, shift, unit, seen, out=buffer)
        column_sums = np.ones(len(buffer), dtype) @ buffer
        # One bad value spoils the sum of its column: a cheap check that needs no look at every entry.
        if not np.isfinite(column_sums).all():
            check_lengths(np.linalg.norm(block.astype(np.float64), axis=1), range(seen, seen + len(block)), unit=unit)
        total += column_sums
        gram += product(buffer)
        seen += len(block)
    if not np.isfinite(gram).all():
        raise InputError("moments: expected vectors whose squares fit their type, got an overflow; scale them down")
    return Moments(n, shift + total / n, gram - np.outer(total, total) / n)


def _shifted(block: np.ndarray, shift: np.ndarray, unit: bool, start: int, *, out: np.ndarray) -> None:
    """``block`` less ``shift``, its rows scaled to norm 1 before that when ``unit``."""
    if not unit:
        with np.errstate(invalid="ignore"):
            np.subtract(block, shift, out=out, dtype=out.dtype)
        return
    out[...] = block
    lengths = np.sqrt(np.einsum("nd,nd->n", out, out))
    check_lengths(lengths, range(start, start + len(block)), unit=True)
    out /= lengths[:, None]
    out -= shift


def _first_mean(block: np.ndarray, unit: bool) -> np.ndarray:
    """A mean to shift by; any finite vector is right, a near one is accurate."""
    rows = block[:1024].astype(np.float64)
    if unit:
        rows /= np.linalg.norm(rows, axis=1, keepdims=True).clip(np.finfo(float).tiny)
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(rows.mean(axis=0), posinf=0, neginf=0)


def _product(device: str | None) -> Callable[[np.ndarray], np.ndarray]:
    """``x -> x.T @ x``, on the device asked for."""
    if device is None:
        return _quiet_product
    import torch

    place = torch.device(device)

    def product(x: np.ndarray) -> np.ndarray:
        there = torch.from_numpy(x).to(place)
        return (there.T @ there).cpu().numpy()

    return product


def _quiet_product(x: np.ndarray) -> np.ndarray:
    # An overflow is reported once, by the caller, as an error.
    with np.errstate(over="ignore", invalid="ignore"):
        return x.T @ x
