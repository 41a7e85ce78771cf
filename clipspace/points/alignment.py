"""A linear map from one embedding space to another, fitted on images that both encoded, with the loss it makes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clipspace.errors import InputError
from clipspace.files import atomically
from clipspace.points import sphere
from clipspace.points.embeddings import Embeddings, Stamp, check_same_space
from clipspace.points.stamps import differences, read_stamp
from clipspace.reprs import brief

STRENGTHS = tuple(10.0 ** np.arange(-6, 4))
"""Ridge penalties to choose from, in units of the mean variance of the source."""


@dataclass(frozen=True, eq=False)
class Adapter:
    """A linear map of points of ``source`` to ``target``, so that a decoder of one space can draw points of another.

    ``cosine`` is the mean cosine of mapped to true points on the ``held_out`` rows that neither the map nor its
    ``strength`` saw; ``chance`` that of the mean of the target, whatever the point. What it does not reach is lost.
    """

    matrix: np.ndarray
    offset: np.ndarray
    source: Stamp
    target: Stamp
    cosine: float
    chance: float
    strength: float
    held_out: int

    __repr__ = brief

    def __call__(self, points: Embeddings) -> Embeddings:
        """The same rows in the target space. Raises `SpaceMismatchError` for points that are not of the source."""
        check_same_space(self.source, points.stamp, "adapter")
        vectors = (points.vectors @ self.matrix + self.offset).astype(np.float32)
        return Embeddings(vectors, self.target, points.modality, points.names, points.columns)

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        from safetensors.numpy import save_file

        description = {
            "source": self.source.to_dict(), "target": self.target.to_dict(), "cosine": self.cosine,
            "chance": self.chance, "strength": self.strength, "held_out": self.held_out,
        }  # fmt: skip
        with atomically(path, overwrite=overwrite) as part:
            save_file(
                {"matrix": self.matrix, "offset": self.offset}, part, {"clipspace.adapter": json.dumps(description)}
            )


def load_adapter(path: str | Path) -> Adapter:
    """Read what `Adapter.save` wrote. Raises `InputError` for anything else."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            description = json.loads(file.metadata()["clipspace.adapter"])
            arrays = {name: file.get_tensor(name) for name in ("matrix", "offset")}
        return Adapter(**arrays, **description | {side: read_stamp(description[side]) for side in ("source", "target")})
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"load_adapter: expected what Adapter.save wrote, got {str(path)!r} ({error!r})") from None


def fit_adapter(
    source: Embeddings,
    target: Embeddings,
    *,
    held_out: float = 0.2,
    strengths: Sequence[float] = STRENGTHS,
    seed: int = 0,
) -> Adapter:
    """Fit a ridge regression from raw vectors of one space to those of another; row i of both is one image.

    A share ``held_out`` of the rows is kept for the reported cosine, as many again choose the strength. Raises
    `InputError` where rows do not belong together, or are fewer than 10.

    >>> rng = np.random.default_rng(0)
    >>> stamps = [Stamp(name, name * 16, "0" * 16, 8) for name in "ab"]
    >>> x = rng.normal(size=(200, 8)) + 1
    >>> adapter = fit_adapter(Embeddings(x, stamps[0]), Embeddings(x @ rng.normal(size=(8, 8)), stamps[1]))
    >>> adapter.cosine > 0.999
    True
    """
    _check_pairs(source, target)
    n = len(source)
    share = round(n * held_out)
    if n < 10 or not 1 <= share <= n // 3:
        raise InputError(f"fit_adapter: expected 10 rows or more and held_out up to a third, got {n} and {held_out}")
    order = np.random.default_rng(seed).permutation(n)
    test, valid, train = order[:share], order[share : 2 * share], order[2 * share :]
    x = np.asarray(source.vectors, dtype=np.float64)
    y = np.asarray(target.vectors, dtype=np.float64)
    fits = [_ridge(x[train], y[train], strength) for strength in strengths]
    best = int(np.argmax([_cosine(x[valid] @ m + b, y[valid]) for m, b in fits]))
    matrix, offset = fits[best]
    mapped = x[test] @ matrix + offset
    return Adapter(
        matrix,
        offset,
        source.stamp,
        target.stamp,
        cosine=_cosine(mapped, y[test]),
        chance=_cosine(np.broadcast_to(y[train].mean(axis=0), mapped.shape), y[test]),
        strength=float(strengths[best]),
        held_out=share,
    )


def _check_pairs(source: Embeddings, target: Embeddings) -> None:
    if source.stamp is None or target.stamp is None or not differences(source.stamp, target.stamp):
        raise InputError(f"fit_adapter: expected points of two spaces, got {source.stamp} and {target.stamp}")
    if len(source) != len(target) or tuple(source.names) != tuple(target.names):
        raise InputError(
            f"fit_adapter: expected the same images in the same order, got {len(source)} and {len(target)} rows, or other names"
        )


def _ridge(x: np.ndarray, y: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
    mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
    gram = (x - mean_x).T @ (x - mean_x)
    penalty = strength * np.trace(gram) / len(gram) + 1e-300
    matrix = np.linalg.solve(gram + penalty * np.eye(len(gram)), (x - mean_x).T @ (y - mean_y))
    return matrix, mean_y - mean_x @ matrix


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.einsum("nd,nd->n", sphere.unit(a), sphere.unit(b)).mean())
