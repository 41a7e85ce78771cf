"""Sparse autoencoder: embeddings as few of many learnt directions, and what each direction looks like decoded.

Own code, and small: overcomplete 0.3.0 cannot be imported beside matplotlib 3.11 nor installed on Python 3.13, and other
libraries bring whole language model tools. What they trained is read by `probes.published_autoencoder`.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from clipspace.errors import InputError, SampleWarning
from clipspace.files import atomically
from clipspace.measure.bootstrap import bootstrap
from clipspace.measure.dictionary import Dictionary, check_sizes, learn_dictionary
from clipspace.measure.ridge import r2
from clipspace.points import sphere
from clipspace.points.arrays import check_points, embeddings_of
from clipspace.points.embeddings import Embeddings, Modality, Stamp, check_same_space
from clipspace.points.stamps import read_stamp
from clipspace.probes.labelled import finite_vectors
from clipspace.probes.rows import mean_row
from clipspace.reprs import brief
from clipspace.results.loading import result_of
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.results.table import Table, scored

if TYPE_CHECKING:
    from clipspace.points.store import Store

_ROWS, _ACTIVATIONS = 4096, 2**26
"""Rows, and activations, that are computed at once."""
_PLAIN = ("k", "scale", "norm", "modality", "normalize", "reach")


@dataclass(frozen=True, eq=False)
class SparseAutoencoder:
    """``unit(z) = mean + scale * sum(codes * directions)``, few codes above 0: of `fit_autoencoder`, or `load_published`.

    Parameters
    ----------
    dictionary : unit directions (m, d), and the layer that finds how much of each there is
    k : features that may fire on one row; None for all above their thresholds
    mean, scale : offset (d,) and unit of the codes; here, the mean of unit vectors and their root mean square distance to it
    norm : mean length of the raw vectors, which single features are given
    stamp, modality : of the points it was fitted to
    scores : on held-out rows; None for one made by hand
    normalize : whether it takes unit vectors; raw ones where not
    reach : usual distance of points to the mean, of which ``strength`` counts; ``scale`` when None
    """

    dictionary: Dictionary
    k: int | None
    mean: np.ndarray
    scale: float
    norm: float
    stamp: Stamp | None
    modality: Modality = "image"
    scores: Result | None = None
    normalize: bool = True
    reach: float | None = None

    __repr__ = brief

    @property
    def directions(self) -> np.ndarray:
        return self.dictionary.directions

    def codes(self, points: Embeddings | Store) -> sparse.csr_array:
        """How much each feature fires on each row, sparse (n, m), none negative; in units of ``scale``."""
        return self._codes(self._centred(points))

    def rebuilt(self, points: Embeddings | Store) -> Embeddings:
        """The same rows as their features alone give them, at their own norms."""
        points = embeddings_of(points, "SparseAutoencoder")
        made = self.mean + self.scale * (self.codes(points) @ self.directions)
        return points.with_vectors(sphere.unit(made) * points.norm[:, None] if self.normalize else made)

    def embeddings(self, features: Sequence[int] | None = None, *, strength: float = 1.0) -> Embeddings:
        """Points that hold one feature each, to be decoded: ``mean + strength * reach * unit(direction)``, at the usual norm.

        A ``strength`` of 1 lies as far from the mean as points usually do; 0 is the mean, and below 0 is the feature's
        opposite. All features when None.

        >>> plain = Dictionary(np.eye(3), np.eye(3), np.zeros(3))
        >>> SparseAutoencoder(plain, 1, np.array([0.0, 0, 1]), 0.5, 10.0, None).embeddings([1]).names
        ('feature 1',)
        """
        m = len(self.directions)
        rows = np.arange(m) if features is None else np.atleast_1d(features)
        if not len(rows) or not np.issubdtype(rows.dtype, np.integer) or rows.min() < 0 or rows.max() >= m:
            raise InputError(f"SparseAutoencoder: expected features from 0 to {m - 1}, got {features}")
        if not np.isfinite(strength):
            raise InputError(f"SparseAutoencoder: expected a finite strength, got {strength}")
        made = self.mean + strength * (self.reach or self.scale) * sphere.unit(self.directions[rows])
        made = sphere.unit(made) * self.norm if self.normalize else made
        return Embeddings(made.astype(np.float32), self.stamp, self.modality, [f"feature {i}" for i in rows])

    def evaluate(self, points: Embeddings | Store, *, seed: int = 0) -> Result:
        """Explained variance (chance: the mean alone, 0), cosine of rebuilt to true centred rows (chance: the rebuilt of
        another row), features per row, and the share of dead features, which fire on none of these rows.

        Arrays: ``cosine`` (n,), and ``activity`` (m,), the share of rows that each feature fires on.
        """
        x = self._centred(points)
        codes, n = self._codes(x), len(x)
        rebuilt = codes @ self.directions
        lost, spread = ((x - rebuilt) ** 2).sum(axis=1, dtype=float), (x**2).sum(axis=1, dtype=float)
        cosine = _cosine(x, rebuilt)
        other = float(_cosine(np.roll(x, 1, axis=0), rebuilt).mean()) if n > 1 else None
        count, activity = np.diff(codes.indptr).astype(float), _activity(codes)
        low, high = bootstrap(lost, spread, statistic=r2, seed=seed)
        rows = [
            scored(score="explained variance", value=r2(lost, spread), chance=0.0, low=low, high=high, n=n),
            mean_row(cosine, chance=other, seed=seed, score="cosine"),
            mean_row(count, seed=seed, score="features per image"),
            scored(score="dead features", value=float(np.mean(activity == 0)), n=n),
        ]
        return Result(
            "sparse_autoencoder",
            rows,
            arrays={"cosine": cosine, "activity": activity},
            provenance=provenance("sparse_autoencoder", stamp=self.stamp, seed=seed, features=codes.shape[1], k=self.k),
        )

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write it as safetensors; `load_autoencoder` reads it. The scores' arrays are not kept."""
        from safetensors.numpy import save_file

        scores = None if self.scores is None else {**self.scores.to_dict(), "arrays": {}}
        header = {name: getattr(self, name) for name in _PLAIN} | {"scores": scores}
        header["stamp"] = None if self.stamp is None else self.stamp.to_dict()
        arrays = {name: array for name, array in vars(self.dictionary).items() if array is not None} | {
            "mean": self.mean
        }
        with atomically(path, overwrite=overwrite) as part:
            save_file(arrays, part, {"clipspace.sparse_autoencoder": json.dumps(header)})

    def _centred(self, points: Embeddings | Store) -> np.ndarray:
        """What the layer takes, float32 (n, d). Raises `SpaceMismatchError` for points of another space."""
        points = embeddings_of(points, "SparseAutoencoder")
        check_same_space(self.stamp, points.stamp, "SparseAutoencoder")
        vectors = finite_vectors(points, "SparseAutoencoder")
        vectors = sphere.unit(vectors) if self.normalize else vectors
        return ((vectors - self.mean) / self.scale).astype(np.float32)

    def _codes(self, x: np.ndarray) -> sparse.csr_array:
        rows = max(1, min(_ROWS, _ACTIVATIONS // len(self.directions)))
        return sparse.vstack([self.dictionary.codes(x[i : i + rows], self.k) for i in range(0, len(x), rows)], "csr")


def fit_autoencoder(
    points: Embeddings | Store,
    *,
    features: int = 1024,
    k: int = 16,
    steps: int = 2000,
    batch_size: int = 256,
    learning_rate: float = 3e-3,
    held_out: float = 0.1,
    max_points: int = 200_000,
    seed: int = 0,
    device: str | None = None,
) -> SparseAutoencoder:
    """A top-k sparse autoencoder (Gao et al. 2024, arXiv 2406.04093) of unit embeddings about their mean.

    Parameters
    ----------
    points : `Embeddings` or a store; of more than ``max_points`` rows so many are drawn
    features, k : directions to learn, and how many may fire on one image
    held_out : share of the rows that ``scores`` are measured on; dead features are counted on the others

    Raises `InputError` for rows that are not finite or all one, and for fewer than 10; warns where there are no more rows
    than features, which could then remember them one by one.
    """
    check_points(points, "fit_autoencoder")
    check_sizes(features, k, steps, batch_size, learning_rate)
    if not 0 < held_out < 1 or max_points < 10 or len(points) < 10:
        raise InputError(
            f"fit_autoencoder: expected 10 rows or more, max_points of at least as many, and held_out between 0 and 1, got "
            f"{len(points)}, {max_points}, {held_out}"
        )
    order = np.random.default_rng([seed, 1]).permutation(len(points))[:max_points]
    cut = min(max(1, round(held_out * len(order))), len(order) - 2)
    test, train = (_rows(points, np.sort(rows)) for rows in (order[:cut], order[cut:]))
    if len(train) <= features:
        warnings.warn(
            f"fit_autoencoder: {len(train)} training rows for {features} features, which could hold a row each; only the "
            "held-out scores mean anything: add rows, or learn fewer features",
            SampleWarning,
            stacklevel=2,
        )
    unit = sphere.unit(finite_vectors(train, "fit_autoencoder"))
    mean = unit.mean(axis=0)
    scale = float(np.sqrt(((unit - mean) ** 2).sum(axis=1).mean()))
    if scale < 1e-6:
        raise InputError("fit_autoencoder: expected rows that differ, got rows of one direction; give other points")
    x = ((unit - mean) / scale).astype(np.float32)
    training = {"steps": steps, "batch_size": batch_size, "learning_rate": learning_rate}
    learnt = learn_dictionary(x, features=features, k=k, seed=seed, device=device, **training)
    made = SparseAutoencoder(learnt, k, mean, scale, float(train.norm.mean()), train.stamp, train.modality)
    return replace(made, scores=_scores(made, x, test, {**training, "n_train": len(x)}, seed))


def load_autoencoder(path: str | Path) -> SparseAutoencoder:
    """What `SparseAutoencoder.save` wrote. Raises `InputError` for anything else."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            header = json.loads((file.metadata() or {})["clipspace.sparse_autoencoder"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        stamp, scores = read_stamp(header["stamp"]), header["scores"] and result_of(header["scores"], {})
        plain = {name: header[name] for name in _PLAIN if name in header}
        mean = arrays.pop("mean")
        return SparseAutoencoder(Dictionary(**arrays), mean=mean, stamp=stamp, scores=scores, **plain)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"load_autoencoder: expected what SparseAutoencoder.save wrote, got {str(path)!r} ({error!r})"
        ) from None


def _rows(points: Embeddings | Store, rows: np.ndarray) -> Embeddings:
    """Rows in memory, raw where their lengths are known."""
    return points[rows] if isinstance(points, Embeddings) else points.load(rows, normalize=not points.raw)


def _scores(made: SparseAutoencoder, x: np.ndarray, test: Embeddings, options: dict[str, float], seed: int) -> Result:
    """Of held-out rows, but for the dead features, which take all training rows ``x`` to tell."""
    scores, activity = made.evaluate(test, seed=seed), _activity(made._codes(x))
    dead = scored(score="dead features", value=float(np.mean(activity == 0)), n=len(x))
    return replace(
        scores,
        table=Table([*scores.table.rows[:-1], dead]),
        arrays={**scores.arrays, "activity": activity},
        provenance=replace(scores.provenance, options={**scores.provenance.options, **options}),
    )


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of rows, and 0 where one is 0."""
    return np.einsum("nd,nd->n", a, b) / np.maximum(sphere.norm(a) * sphere.norm(b), np.finfo(float).tiny)


def _activity(codes: sparse.csr_array) -> np.ndarray:
    """Share of rows on which each feature fires."""
    return np.bincount(codes.indices, minlength=codes.shape[1]) / codes.shape[0]
