"""Principal components of a set of any size: one pass, exact up to float accumulation, with signs fixed."""

from __future__ import annotations

import json
from numbers import Integral
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from clipspace.errors import InputError
from clipspace.files import atomically
from clipspace.points.arrays import as_points, as_points_in, check_lengths, counted_blocks, is_points
from clipspace.points.embeddings import check_same_space
from clipspace.points.moments import Moments, moments
from clipspace.points.protocol import Points
from clipspace.points.stamps import read_stamp
from clipspace.seeds import stream


class PCA(TransformerMixin, BaseEstimator):
    """Principal components of directions: the eigenvectors of the covariance matrix, computed in one pass.

    Takes an array (a memory map too), `Embeddings` or a store, in blocks: it needs d x d memory, whatever n.
    Rows are scaled to norm 1 first, as in ``clipspace pca`` and in everything that compares cosines (Ramesh et al.
    2022, arXiv 2204.06125, section 4, figure 7). ``normalize=False`` takes rows as they are, like scikit-learn;
    for raw embeddings the norm is then in the leading component.

    Parameters
    ----------
    n_components : how many to keep; all ``min(n, d)`` when None
    normalize : scale every row to norm 1 first, in `transform` too; ``clipspace pca --raw`` does not
    center : subtract the mean; without, components of the second moment about 0
    device : torch device of the matrix products of a fit ("cuda"); NumPy when None
    engine, workers : "local", or "ray" to sum parts on ``workers`` cores (or GPUs) of a Ray cluster

    Attributes
    ----------
    components_ : (k, d), orthonormal, by falling variance, the largest entry of each positive
    explained_variance_, explained_variance_ratio_ : (k,)
    mean_ : (d,), zeros when not centred
    moments_ : what more rows, or another worker's, are merged with
    stamp_ : Stamp of the points it was fitted on, None when they had none; `transform` takes others with that, or arrays

    >>> points = np.random.default_rng(0).normal(size=(50, 3))
    >>> pca = PCA().fit(points)
    >>> directions = points / np.linalg.norm(points, axis=1, keepdims=True)
    >>> bool(np.allclose(pca.inverse_transform(pca.transform(points)), directions))
    True
    >>> halves = PCA().fit(points[:25]).merge(PCA().fit(points[25:]))
    >>> bool(np.allclose(halves.components_, pca.components_))
    True
    """

    def __init__(
        self,
        n_components: int | None = None,
        *,
        normalize: bool = True,
        center: bool = True,
        device: str | None = None,
        engine: str = "local",
        workers: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.normalize = normalize
        self.center = center
        self.device = device
        self.engine = engine
        self.workers = workers

    def fit(self, X, y=None) -> PCA:
        """Learn mean and components of ``X`` (n, d), n >= 2."""
        points = self._checked(X, reset=True)
        if len(points) < 2:
            raise InputError(f"PCA: expected at least two rows, got n_samples = {len(points)}")
        self._check_count(min(len(points), points.dim))
        self.stamp_ = points.stamp
        return self._solve(self._moments(points))

    def partial_fit(self, X, y=None) -> PCA:
        """Learn from more rows; the result is that of one `fit` on all of them. The components are solved anew."""
        if not hasattr(self, "moments_"):
            return self.fit(X)
        points = self._checked(X, reset=False)
        return self._solve(self.moments_.merge(self._moments(points)))

    def merge(self, other: PCA) -> PCA:
        """A new PCA of the rows of both, as one `fit` on all of them would give. The options are this one's."""
        check_is_fitted(self)
        check_is_fitted(other)
        check_same_space(self.stamp_, other.stamp_, "PCA.merge")
        if self.normalize != other.normalize:
            raise InputError(f"PCA.merge: expected both of normalize={self.normalize}, got normalize={other.normalize}")
        merged = PCA(**self.get_params())
        merged.stamp_, merged.n_features_in_ = self.stamp_, self.n_features_in_
        return merged._solve(self.moments_.merge(other.moments_))

    def transform(self, X) -> np.ndarray:
        """Coordinates of ``X`` on the components, float64 (n, k)."""
        check_is_fitted(self)
        points = self._checked(X, reset=False)
        coordinates, start = np.empty((len(points), self.n_components_)), 0
        for block in counted_blocks(points):
            rows = block.astype(np.float64)
            lengths = np.linalg.norm(rows, axis=1)
            check_lengths(lengths, range(start, start + len(rows)), unit=self.normalize)
            rows = rows / lengths[:, None] if self.normalize else rows
            coordinates[start : start + len(rows)] = (rows - self.mean_) @ self.components_.T
            start += len(rows)
        return coordinates

    def inverse_transform(self, X) -> np.ndarray:
        """Points of the first ``X.shape[1]`` coordinates, (n, d). Fewer columns than components truncate."""
        check_is_fitted(self)
        X = np.asarray(X, dtype=np.float64)
        if X.ndim != 2 or X.shape[1] > self.n_components_:
            raise InputError(
                f"PCA.inverse_transform: expected (n, at most {self.n_components_}) coordinates, got {X.shape}"
            )
        return X @ self.components_[: X.shape[1]] + self.mean_

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write it as safetensors, moments included, so that it can still be merged and fitted further."""
        from safetensors.numpy import save_file

        check_is_fitted(self)
        arrays = {
            "components": self.components_,
            "explained_variance": self.explained_variance_,
            "mean": self.moments_.mean,
            "scatter": self.moments_.scatter,
        }
        description = {
            "n": self.moments_.n,
            "options": {name: self.get_params()[name] for name in ("n_components", "normalize", "center")},
            "space": self.stamp_.to_dict() if self.stamp_ else None,
        }
        with atomically(path, overwrite=overwrite) as part:
            save_file(arrays, part, metadata={"clipspace.pca": json.dumps(description)})

    @classmethod
    def load(cls, path: str | Path) -> PCA:
        """Read what `save` wrote. Raises `InputError` for anything else."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy") as file:
                description = json.loads((file.metadata() or {})["clipspace.pca"])
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            loaded = cls(**description["options"])
            loaded.stamp_ = read_stamp(description["space"])
            gathered = Moments(description["n"], arrays["mean"], arrays["scatter"])
            return loaded._set(gathered, arrays["components"], arrays["explained_variance"])
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"PCA.load: expected a file written by `clipspace pca`, got {str(path)!r} ({error})"
            ) from None

    def _moments(self, points: Points) -> Moments:
        return moments(points, unit=self.normalize, device=self.device, engine=self.engine, workers=self.workers)

    def _checked(self, X, *, reset: bool) -> Points:
        """``X`` as points, its dimension and stamp checked; an array of floats is not copied."""
        if not is_points(X):
            floats = [np.float64, np.float32, np.float16]
            array = validate_data(self, X, dtype=floats, reset=reset, ensure_all_finite=False)
            return as_points(X if isinstance(X, np.memmap) else array)
        if not reset:
            return as_points_in(X, self.n_features_in_, self.stamp_, "PCA")
        self.n_features_in_ = X.dim
        return X

    def _check_count(self, most: int) -> int:
        k = most if self.n_components is None else self.n_components
        if not isinstance(k, Integral) or not 1 <= k <= most:
            raise InputError(f"PCA: expected n_components from 1 to min(n, d) = {most}, an integer, got {k!r}")
        return k

    def _solve(self, gathered: Moments) -> PCA:
        n, d = gathered.n, len(gathered.mean)
        k = self._check_count(min(n, d))
        scatter = gathered.scatter
        if not self.center:
            scatter = scatter + n * np.outer(gathered.mean, gathered.mean)
        variance, vectors = _eigen(scatter / (n - 1), rank=n)
        variance, vectors = np.clip(variance[::-1], 0, None), vectors.T[::-1]
        signs = np.where(vectors[np.arange(len(vectors)), np.abs(vectors).argmax(axis=1)] < 0, -1.0, 1.0)
        return self._set(gathered, (vectors * signs[:, None])[:k], variance[:k])

    def _set(self, gathered: Moments, components: np.ndarray, variance: np.ndarray) -> PCA:
        self.moments_ = gathered
        self.n_samples_seen_ = gathered.n
        self.n_features_in_ = components.shape[1]
        self.n_components_ = len(components)
        self.mean_ = gathered.mean if self.center else np.zeros_like(gathered.mean)
        # Of one layout whether solved or loaded, as products differ in their last bits with it.
        self.components_ = np.ascontiguousarray(components)
        self.explained_variance_ = np.ascontiguousarray(variance)
        total = np.trace(gathered.scatter) + (0 if self.center else gathered.n * (gathered.mean @ gathered.mean))
        self.explained_variance_ratio_ = variance / max(total / (gathered.n - 1), np.finfo(float).tiny)
        return self


def _eigen(matrix: np.ndarray, *, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Rising eigenvalues ``(r,)`` and eigenvectors ``(d, r)`` of a symmetric ``(d, d)`` matrix of at most ``rank``.

    All d of them; where ``rank`` is a quarter of d or less, those of its range, which random directions are taken to (Halko et al.
    2011, arXiv 0909.4061, algorithm 4.4): a hundredth of the time for few images in the 3,072 dimensions of their pixels.
    """
    if 4 * rank > len(matrix):
        return np.linalg.eigh(matrix)
    basis = stream(0, "range of a matrix").standard_normal((len(matrix), rank))
    for _ in range(2):
        basis = np.linalg.qr(matrix @ basis)[0]
    values, vectors = np.linalg.eigh(basis.T @ matrix @ basis)
    return values, basis @ vectors
