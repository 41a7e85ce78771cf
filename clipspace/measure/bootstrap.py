"""Bootstrap intervals: how far a statistic moves when its rows are drawn again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.stats import norm as normal
from scipy.stats import t as student

from clipspace.errors import InputError, shortened
from clipspace.seeds import stream


def bootstrap(
    *samples: np.ndarray,
    statistic: Callable[..., float] | None = None,
    seed: int = 0,
    resamples: int = 1000,
) -> tuple[float, float]:
    """95 % percentile interval of ``statistic`` (the mean by default) over rows drawn with replacement.

    The percentiles lie further out the fewer rows there are, as Student's t does (the expanded interval of Hesterberg
    2015, arXiv 1411.5279): those of 6 rows cover as often as those of 600.
    Several samples are resampled together, by row. Deterministic in ``seed``.
    """
    n = len(samples[0])
    if n == 0 or any(len(sample) != n for sample in samples):
        raise InputError(f"bootstrap: expected samples of one length above 0, got {shortened(len(s) for s in samples)}")
    rng = stream(seed, "bootstrap")
    if statistic is None:
        block = max(1, 5_000_000 // n)  # counts are resamples x n; a block of them fits in memory
        sizes = [min(block, resamples - start) for start in range(0, resamples, block)]
        means = (rng.multinomial(n, np.full(n, 1 / n), size=k) @ np.asarray(samples[0], np.float64) / n for k in sizes)
        statistics = np.concatenate(list(means))
    else:
        draws = (rng.integers(n, size=n) for _ in range(resamples))
        statistics = np.array([statistic(*(sample[rows] for sample in samples)) for rows in draws])
    tail = 100 * normal.cdf(-np.sqrt(n / (n - 1)) * student.ppf(0.975, n - 1)) if n > 1 else 0.0
    low, high = np.percentile(statistics, [tail, 100 - tail])
    return float(low), float(high)
