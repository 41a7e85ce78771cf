"""The bootstrap covers a known mean, and resamples rows together."""

import numpy as np
import pytest

from clipspace.errors import InputError
from clipspace.measure.bootstrap import bootstrap


def test_the_bootstrap_interval_covers_the_mean_about_95_times_in_100():
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(200):
        low, high = bootstrap(rng.normal(1.0, 2.0, size=80), seed=trial, resamples=400)
        hits += low <= 1.0 <= high
    assert 0.88 <= hits / 200 <= 0.99


def test_the_bootstrap_resamples_rows_together():
    x = np.arange(50.0)
    low, high = bootstrap(x, x, statistic=lambda a, b: float(np.corrcoef(a, b)[0, 1]), resamples=50)
    assert low == pytest.approx(1.0)
    assert high == pytest.approx(1.0)
    with pytest.raises(InputError, match="one length"):
        bootstrap(np.zeros(0))
