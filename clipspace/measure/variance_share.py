"""Share of the variance of a set of points that a factor explains."""

from __future__ import annotations

import numpy as np

from clipspace.measure.estimate import Estimate, share_of_chance


def variance_share(x: np.ndarray, classes: np.ndarray) -> Estimate:
    """1 - variance within classes / variance of all points ``x`` ``(n, d)``, both unbiased: epsilon squared (Kelley 1935).

    0 is expected where the class numbers ``(n,)`` have nothing to do with the points (eta squared would be
    (k - 1) / (n - 1) there), 1 where the class fixes the point.
    """
    _, which, counts = np.unique(classes, return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), x.shape[1]))
    np.add.at(sums, which, x)
    n, k = len(x), len(counts)
    within = ((x - (sums / counts[:, None])[which]) ** 2).sum(axis=1) / (n - k)
    total = ((x - x.mean(axis=0)) ** 2).sum(axis=1) / (n - 1)
    return share_of_chance(within[None], total[None], error_rate=False, correction=np.ones(()))
