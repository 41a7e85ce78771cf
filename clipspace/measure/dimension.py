"""Intrinsic dimension, estimated from distances to near neighbours.

All estimators assume that density is even over a neighbourhood; at a given n they fall ever further below a truth
beyond about 10, and neural representations meet the assumption badly (arXiv 2604.20276). Report estimator, k and n.
"""

from __future__ import annotations

import inspect

import numpy as np

from clipspace.errors import CapabilityError, InputError
from clipspace.search.exact import neighbours

_EVEN = 1e-6
"""Largest logarithm of a ratio of distances that single precision cannot tell from 0."""


def two_nn(x: np.ndarray, *, discard: float = 0.1) -> float:
    """TwoNN of Facco et al. 2017 (arXiv 1803.06992): the slope of -log(1 - F) over log(r2 / r1), through 0.

    The largest ``discard`` of the ratios are left out of the fit. Points (n, d); raises `InputError` for duplicates, and
    for points whose neighbours are equally far.
    """
    if not 0 <= discard < 1:
        raise InputError(f"two_nn: expected discard in [0, 1), got {discard}")
    return two_nn_of(neighbours(x, 2)[0], discard=discard)


def two_nn_of(distances: np.ndarray, *, discard: float = 0.1) -> float:
    """`two_nn` from the distances (n, k), rising, of each point to its near neighbours."""
    _check_distinct(distances, "two_nn")
    ratios = np.sort(np.log(distances[:, 1] / distances[:, 0]))
    n = len(ratios)
    n_fitted = max(2, min(int(n * (1 - discard)), n - 1))  # the last has F = 1, whose logarithm is not finite
    _check_uneven(ratios[n_fitted - 1], "two_nn")
    heights = -np.log(1 - np.arange(1, n_fitted + 1) / n)
    return float((ratios[:n_fitted] @ heights) / (ratios[:n_fitted] @ ratios[:n_fitted]))


def levina_bickel(x: np.ndarray, *, k: int = 20) -> float:
    """Maximum likelihood of Levina & Bickel 2004 over k neighbours, the inverses averaged over points.

    The inverses are averaged and not the estimates, as MacKay and Ghahramani correct it: their mean is unbiased where
    density is even. Points (n, d); raises `InputError` as `two_nn` does.
    """
    if k < 3:
        raise InputError(f"levina_bickel: expected k of at least 3, got {k}")
    return levina_bickel_of(neighbours(x, k)[0])


def levina_bickel_of(distances: np.ndarray) -> float:
    """`levina_bickel` from the distances (n, k), rising, of each point to its near neighbours."""
    k = distances.shape[1]
    _check_distinct(distances, "levina_bickel")
    ratios = np.log(distances[:, -1:] / distances[:, :-1])
    _check_uneven(ratios.max(), "levina_bickel")
    return float((k - 1) / ratios.sum(axis=1).mean())


def by_scikit_dimension(x: np.ndarray, estimator: str) -> float:
    """The dimension of points (n, d) as an estimator of scikit-dimension has it, named as there: "lPCA", "DANCo", "ESS", …

    Its own defaults are used. Raises `CapabilityError` where the package is missing (an extra), `InputError` for a
    name that it does not have.
    """
    try:
        import skdim
    except ImportError as error:
        raise CapabilityError(
            f"dimension: {estimator!r} is an estimator of scikit-dimension, which cannot be imported ({error}); "
            "pip install 'clipspace[dimension]'"
        ) from None
    estimators = {name: value for name, value in vars(skdim.id).items() if inspect.isclass(value)}
    if estimator not in estimators:
        raise InputError(f"dimension: expected one of {sorted(estimators)}, got {estimator!r}")
    return float(estimators[estimator]().fit(np.asarray(x, dtype=np.float64)).dimension_)


def _check_distinct(distances: np.ndarray, doing: str) -> None:
    zero = distances[:, 0] == 0
    if zero.any():
        rows = np.flatnonzero(zero)[:5].tolist()
        raise InputError(
            f"{doing}: expected distinct points, got {int(zero.sum())} that have a duplicate (first rows {rows}), whose "
            "distance of 0 has no logarithm; drop duplicates first"
        )


def _check_uneven(largest: float, doing: str) -> None:
    if largest < _EVEN:
        raise InputError(
            f"{doing}: expected points whose neighbours lie at different distances, got points equally far from all of "
            "theirs (a simplex, a lattice), whose ratios of 1 tell no dimension; take other points, or a larger k"
        )
