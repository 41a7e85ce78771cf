"""Concept erasure: points from which no linear map can tell a label any more, and which moved as little as that allows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clipspace.errors import InputError
from clipspace.files import atomically
from clipspace.measure.erasure import leace
from clipspace.points import sphere
from clipspace.points.arrays import as_points, as_points_in, check_lengths, counted_blocks
from clipspace.points.embeddings import Embeddings, Stamp
from clipspace.points.moments import Moments, moments
from clipspace.points.protocol import Points
from clipspace.points.stamps import read_stamp
from clipspace.probes.factors.factor import features
from clipspace.probes.factors.readout import read_out
from clipspace.probes.labelled import column
from clipspace.reprs import brief
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.results.table import Table

if TYPE_CHECKING:
    from clipspace.points.store import Store


@dataclass(frozen=True, eq=False)
class Eraser:
    """``x - left @ right @ (x - mean)``, an affine map that removes one concept. See `fit_eraser`.

    Parameters
    ----------
    left, right : (d, r) and (r, d), float64; r is the number of dimensions that are removed
    mean : of what it was fitted to, (d,); it does not move
    norm : mean length of the points it was fitted to, where x are directions; None where x are points as they are
    stamp : of these points; None where they had none
    n : their number
    """

    left: np.ndarray
    right: np.ndarray
    mean: np.ndarray
    norm: float | None
    stamp: Stamp | None
    n: int

    __repr__ = brief

    def apply(self, points: Embeddings | Store | np.ndarray) -> Embeddings:
        """The same rows without the concept, float32, names and columns kept, on the scale of the points it was fitted to.

        Raises `SpaceMismatchError` for points of another space, and `InputError` for another dimension and, where it
        erases directions, for rows of length 0.
        """
        points = as_points_in(points, len(self.mean), self.stamp, "Eraser")[:]
        vectors = np.asarray(points.vectors, dtype=np.float64) if self.norm is None else points.unit
        erased = vectors - (vectors - self.mean) @ self.right.T @ self.left.T
        return points.with_vectors(erased if self.norm is None else self.norm * erased)

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write it as safetensors."""
        from safetensors.numpy import save_file

        stamp = self.stamp.to_dict() if self.stamp else None
        description = {"norm": self.norm, "stamp": stamp, "n": self.n}
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in ("left", "right", "mean")}
        with atomically(path, overwrite=overwrite) as part:
            save_file(arrays, part, {"clipspace.eraser": json.dumps(description)})


def load_eraser(path: str | Path) -> Eraser:
    """What `Eraser.save` wrote. Raises `InputError` for anything else."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            description = json.loads((file.metadata() or {})["clipspace.eraser"])
            arrays = {name: file.get_tensor(name) for name in ("left", "right", "mean")}
        return Eraser(**arrays, **description | {"stamp": read_stamp(description["stamp"])})
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"load_eraser: expected what Eraser.save wrote, got {str(path)!r} ({error!r})") from None


def erase(
    points: Embeddings | Store | np.ndarray, labels: Sequence[Any] | str, *, period: float | None = None
) -> Embeddings:
    """The same points without what a linear map can predict of ``labels``: `fit_eraser`, applied to the points it is fitted to."""
    return fit_eraser(points, labels, period=period).apply(points)


def fit_eraser(
    points: Embeddings | Store | np.ndarray,
    labels: Sequence[Any] | str,
    *,
    period: float | None = None,
    normalize: bool = True,
) -> Eraser:
    """Fit least-squares concept erasure (LEACE) to ``points`` and a label, an amount or an angle of each.

    After it no linear map predicts the concept better than a constant, and no other affine map with this property moves
    rows less (Belrose et al. 2023, arXiv 2306.03819, sections 3 and 4). That is exact on the points it is fitted to; of n
    points in d dimensions a linear map of *other* points still explains about d / n of the concept's variance, so fit it to
    many. A read-out that is not linear may find more.

    Parameters
    ----------
    points : raw embeddings; a store is read once, in blocks
    labels : one value a row, or the name of a column. Text, booleans and whole numbers are labels, real numbers amounts
    period : of a periodic amount (360 for an angle in degrees)
    normalize : erase directions, and give all rows the mean norm, because their own norms can predict the concept too. False
        erases points as they are, which is the paper's map; their directions may then still predict the concept

    Raises `InputError` for another number of values, values that are all the same, rows that are not finite, and a concept
    of as many dimensions as the points have, without which nothing would be left.

    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(100, 8))
    >>> erased = fit_eraser(z, (z[:, 0] > 0).tolist()).apply(z).vectors
    >>> bool(np.allclose(erased[z[:, 0] > 0].mean(axis=0), erased[z[:, 0] <= 0].mean(axis=0), atol=1e-6))
    True
    """
    points = as_points(points)
    targets, _ = features(column(points, labels, "erase").tolist(), period=period)
    gathered, norm = _joint_moments(points, targets, normalize)
    n, d = gathered.n, points.dim
    covariance = gathered.scatter / (n - 1)
    left, right = leace(covariance[:d, :d], covariance[:d, d:])
    if left.shape[1] >= min(d, n - 1):
        raise InputError(
            f"erase: expected a concept of fewer dimensions than the points, got {left.shape[1]} of {min(d, n - 1)}, "
            "so that nothing would be left; merge rare labels, or give more points"
        )
    return Eraser(left, right, gathered.mean[:d], norm if normalize else None, points.stamp, n)


def erasure_scores(
    points: Embeddings | Store | np.ndarray,
    labels: Sequence[Any] | str,
    eraser: Eraser,
    *,
    period: float | None = None,
    seed: int = 0,
) -> Result:
    """Is the concept gone? Skill of `read_out` of ``labels`` from ``points`` and from the erased points; chance is 0.

    The keys are ``points`` ("given" and "erased") and ``component``. A linear skill below 0 after erasure is usual on the
    points that the eraser was fitted to: halves of a set without any correlation correlate in opposite ways.
    """
    points = as_points(points)[:]
    values = column(points, labels, "erasure_scores").tolist()
    sets = {"given": points, "erased": eraser.apply(points)}
    rows = [
        {"points": name, **row}
        for name, kind in sets.items()
        for row in read_out(kind, values, period=period, seed=seed)
    ]
    made = provenance(
        "erasure_scores", stamp=points.stamp, seed=seed, n_fitted=eraser.n, dimensions=eraser.left.shape[1]
    )
    return Result("erasure", Table(rows, ("points", "component")), provenance=made)


def _joint_moments(points: Points, targets: np.ndarray, normalize: bool) -> tuple[Moments, float]:
    """Moments, float64, of the vectors and the columns of the concept side by side, and the mean length of the vectors."""
    parts, total, start = [], 0.0, 0
    for block in counted_blocks(points):
        rows = np.asarray(block, dtype=np.float64)
        lengths = sphere.norm(rows)
        check_lengths(lengths, range(start, start + len(rows)), unit=normalize)
        rows = rows / lengths[:, None] if normalize else rows
        parts.append(moments(np.hstack([rows, targets[start : start + len(rows)]])))
        total, start = total + lengths.sum(), start + len(rows)
    return reduce(Moments.merge, parts), float(total / start)
