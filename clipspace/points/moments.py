"""Mean and scatter of a set in one pass, and their merge over parts: the statistics of a PCA."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from clipspace import progress
from clipspace.errors import InputError
from clipspace.parallel import each
from clipspace.points.arrays import as_points, check_lengths, parts
from clipspace.points.protocol import BLOCK_ROWS, Points, Vectors
from clipspace.reprs import brief

_RUN = 256
"""Number of rows in a run; each run is centred by its own mean."""
_FEW = 2 * _RUN
"""Largest number of rows of a block that is summed in float64."""
_UNEVEN = 8
"""Ratio of a run's variance to the median of all runs, above which the run is summed in float64."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, mean ``(d,)`` and scatter ``(d, d)`` (sum of squared deviations from the mean) of rows, float64."""

    n: int
    mean: np.ndarray
    scatter: np.ndarray

    __repr__ = brief

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
    points: Points | np.ndarray,
    *,
    unit: bool = False,
    device: str | None = None,
    engine: str = "local",
    workers: int | None = None,
) -> Moments:
    """Moments of an array, `Embeddings` or store, in one pass and d x d memory.

    float64 input is summed in float64. Anything narrower is multiplied in float32, a block at a time, and
    summed over blocks in float64. Every run of 256 rows is first shifted by its own mean, and the means are summed in
    float64, so that neither a large common mean (which CLIP has) nor one that moves along the rows costs accuracy; what
    is left is an error of about 1e-7 of the largest variance within runs. Parts are merged in order, whoever summed them.

    Parameters
    ----------
    unit : scale every row to norm 1 first
    device : a torch device for the matrix products ("cuda"); NumPy when None
    engine, workers : "local", or "ray" for parts on ``workers`` cores (or GPUs) of a Ray cluster

    Raises `InputError` for no rows, rows that are not finite and, with ``unit``, zero rows.
    """
    points = as_points(points)
    if not len(points):
        raise InputError("moments: expected at least one row, got none")
    gpus = int(device is not None and not device.startswith("cpu"))
    of_parts = each(_moments_of_part, parts(points), unit, device, engine=engine, workers=workers, gpus=gpus)
    with progress.task("summing", len(points), "rows") as count:
        total = next(of_parts)
        count(total.n)
        for part in of_parts:
            total = total.merge(part)
            count(part.n)
    return total


def _moments_of_part(start: int, part: Vectors, unit: bool, device: str | None) -> Moments:
    """Moments of ``part``, whose first row is number ``start``."""
    n, d = len(part), part.dim
    product = _product(device)
    near: np.ndarray | None = None  # the first mean: sums are of what differs from it
    total, gram = np.zeros(d), np.zeros((d, d))
    buffer = np.empty(0)
    for block in part.blocks(BLOCK_ROWS):
        narrow = block.dtype.kind == "f" and block.dtype.itemsize <= 4 and len(block) > _FEW
        dtype = np.float32 if narrow else np.float64
        if buffer.shape != block.shape or buffer.dtype != dtype:
            buffer = np.empty(block.shape, dtype)
        starts = range(0, len(block), _RUN)
        runs = [_centred(block[a : a + _RUN], unit, start + a, out=buffer[a : a + _RUN]) for a in starts]
        means, lefts = (np.array(part) for part in zip(*runs, strict=True))
        # One bad value spoils the sum of its column: a cheap check that needs no look at every entry.
        if not np.isfinite(lefts).all():
            check_lengths(np.linalg.norm(block.astype(np.float64), axis=1), range(start, start + len(block)), unit=unit)
        for k in _uneven(buffer) if narrow else ():
            rows = slice(k * _RUN, (k + 1) * _RUN)
            wide = np.empty(buffer[rows].shape)
            means[k], lefts[k] = _centred(block[rows], unit, start, out=wide)
            gram += wide.T @ wide
            buffer[rows] = 0
        near = means[0] if near is None else near
        apart, counts = means - near, np.array([len(block[a : a + _RUN]) for a in starts])[:, None]
        total += (counts * apart + lefts).sum(axis=0)
        gram += product(buffer) + apart.T @ (counts * apart) + lefts.T @ apart + apart.T @ lefts
        start += len(block)
    if not np.isfinite(gram).all():
        raise InputError("moments: expected vectors whose squares fit their type, got an overflow; scale them down")
    return Moments(n, near + total / n, gram - np.outer(total, total) / n)


def _centred(rows: np.ndarray, unit: bool, start: int, *, out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Write ``rows`` (scaled to norm 1 if ``unit``) minus their mean to ``out``; return the mean and each column's remaining sum."""
    ones = np.ones(len(rows), out.dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        if unit or rows.dtype != out.dtype:
            out[...] = rows
            rows = out
        if unit:
            lengths = np.sqrt(np.einsum("nd,nd->n", out, out))
            check_lengths(lengths, range(start, start + len(rows)), unit=True)
            out /= lengths[:, None]
        mean = np.nan_to_num(ones @ rows / out.dtype.type(len(rows)), posinf=0, neginf=0)
        np.subtract(rows, mean, out=out)
        return mean.astype(np.float64), (ones @ out).astype(np.float64)


def _uneven(centred: np.ndarray) -> list[int]:
    """Runs in which the mean moves: they vary far more than the others, and float32 would lose all that is small."""
    sizes = [
        float(np.vdot(run, run)) / len(run) for run in (centred[a : a + _RUN] for a in range(0, len(centred), _RUN))
    ]
    return np.flatnonzero(np.array(sizes) > _UNEVEN * np.median(sizes)).tolist()


def _product(device: str | None) -> Callable[[np.ndarray], np.ndarray]:
    """``x -> x.T @ x``, on the device asked for."""
    if device is None:
        return _quiet_product
    import torch

    place = torch.device(device)

    def product(x: np.ndarray) -> np.ndarray:
        on_device = torch.from_numpy(x).to(place)
        return (on_device.T @ on_device).cpu().numpy()

    return product


def _quiet_product(x: np.ndarray) -> np.ndarray:
    # An overflow is reported once, by the caller, as an error.
    with np.errstate(over="ignore", invalid="ignore"):
        return x.T @ x
