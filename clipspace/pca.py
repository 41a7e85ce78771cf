"""Principal components of a set of points: exact, in float64, with signs fixed."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from clipspace.errors import InputError


class PCA(TransformerMixin, BaseEstimator):
    """Principal component analysis by the eigenvectors of the covariance matrix.

    For CLIP's few hundred dimensions this is exact and needs d x d memory. Fit it on unit vectors
    (``embeddings.unit``), as DALL-E 2 does (Ramesh et al. 2022, arXiv 2204.06125, section 4, figure 7).

    Parameters
    ----------
    n_components : how many to keep; all ``min(n, d)`` when None

    Attributes
    ----------
    components_ : (k, d), orthonormal, by falling variance, the largest entry of each positive
    explained_variance_, explained_variance_ratio_ : (k,)
    mean_ : (d,)

    >>> points = np.random.default_rng(0).normal(size=(50, 3))
    >>> pca = PCA().fit(points)
    >>> bool(np.allclose(pca.inverse_transform(pca.transform(points)), points))
    True
    """

    def __init__(self, n_components: int | None = None) -> None:
        self.n_components = n_components

    def fit(self, X, y=None) -> PCA:
        """Learn mean and components of ``X`` (n, d), n >= 2."""
        X = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        most = min(X.shape)
        k = most if self.n_components is None else self.n_components
        if not 1 <= k <= most:
            raise InputError(f"PCA: expected n_components from 1 to min(n, d) = {most}, got {k}")
        self.mean_ = X.mean(axis=0)
        centred = X - self.mean_
        variance, vectors = np.linalg.eigh(centred.T @ centred / (len(X) - 1))
        variance, vectors = np.clip(variance[::-1], 0, None), vectors.T[::-1]
        signs = np.sign(vectors[np.arange(len(vectors)), np.abs(vectors).argmax(axis=1)])
        self.components_ = (vectors * signs[:, None])[:k]
        self.explained_variance_ = variance[:k]
        self.explained_variance_ratio_ = self.explained_variance_ / max(variance.sum(), np.finfo(float).tiny)
        self.n_components_ = k
        return self

    def transform(self, X) -> np.ndarray:
        """Coordinates of ``X`` on the components, (n, k)."""
        check_is_fitted(self)
        return (validate_data(self, X, dtype=np.float64, reset=False) - self.mean_) @ self.components_.T

    def inverse_transform(self, X) -> np.ndarray:
        """Points of the first ``X.shape[1]`` coordinates, (n, d). Fewer columns than components truncate."""
        check_is_fitted(self)
        X = np.asarray(X, dtype=np.float64)
        if X.ndim != 2 or X.shape[1] > self.n_components_:
            raise InputError(
                f"PCA.inverse_transform: expected (n, at most {self.n_components_}) coordinates, got {X.shape}"
            )
        return X @ self.components_[: X.shape[1]] + self.mean_
