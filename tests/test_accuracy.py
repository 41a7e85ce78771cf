"""The interval of a proportion holds the truth as often as it says, however few rows and however near 1."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from clipspace.measure.accuracy import clopper_pearson, confusion_matrix, proportion_interval
from clipspace.measure.bootstrap import bootstrap
from clipspace.probes.rows import accuracy_rows


@pytest.mark.parametrize(("hits", "n"), [(0, 40), (1, 20), (13, 40), (399, 400), (40, 40)])
def test_the_interval_is_that_of_scipy(hits, n):
    right = np.arange(n) < hits
    exact = binomtest(hits, n).proportion_ci(method="exact")
    assert proportion_interval(right) == pytest.approx((exact.low, exact.high), abs=1e-12)


def test_none_of_forty_may_still_be_one_in_twelve():
    low, high = proportion_interval(np.zeros(40))
    assert (low, round(high, 3)) == (0, 0.088)
    assert proportion_interval(np.ones(40)) == pytest.approx((1 - high, 1))


@pytest.mark.parametrize("n", [20, 40, 100, 400])
@pytest.mark.parametrize("p", [0.5, 0.8, 0.95, 0.99])
def test_the_interval_covers_the_truth(n, p):
    """Exactly, over every number of hits, and simulated."""
    ends = np.array([clopper_pearson(hits, n) for hits in range(n + 1)])
    covers = (ends[:, 0] <= p) & (p <= ends[:, 1])
    assert binom.pmf(np.arange(n + 1), n, p)[covers].sum() >= 0.95
    drawn = np.random.default_rng(n).binomial(n, p, size=20_000)
    assert covers[drawn].mean() >= 0.945
    assert (ends[:, 1] > ends[:, 0]).all()


@pytest.mark.parametrize(("n", "p"), [(20, 0.8), (40, 0.95), (40, 0.99), (100, 0.5)])
@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_shares_of_several_trials_are_covered_whether_they_agree_or_not(n, p, spread):
    """Images of unlike difficulty, beta distributed about p, each decoded four times."""
    rng, trials, hits, widths = np.random.default_rng(3), 4, 0, []
    for _ in range(300):
        strength = np.inf if spread == 0 else 1 / spread
        chances = np.full(n, p) if np.isinf(strength) else rng.beta(p * strength, (1 - p) * strength, size=n)
        low, high = proportion_interval(rng.binomial(trials, chances) / trials, trials=trials)
        hits += low <= p <= high
        widths.append(high - low)
    assert hits / 300 >= 0.92
    assert min(widths) > 0


def test_more_trials_of_a_row_that_differ_make_it_narrower(rng):
    shares = rng.binomial(8, 0.6, size=100) / 8
    one, eight = (np.ptp(proportion_interval(shares, trials=trials)) for trials in (1, 8))
    assert eight < 0.5 * one
    assert eight > 0.8 * np.ptp(bootstrap(shares))  # which is right where no share is near 0 or 1


def test_rows_and_confusion_count_by_hand():
    predicted, truth = np.array([0, 0, 1, 1, 1]), np.array([0, 0, 0, 1, 2])
    overall, per_class = accuracy_rows(predicted, truth, "abc", chance=0.4)
    assert overall.value == 0.6
    assert per_class.value == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert confusion_matrix(predicted, truth, 3).tolist() == [[2, 1, 0], [0, 1, 0], [0, 1, 0]]
