"""Intervals by the jackknife: they are those of the textbook where it has one, and hold what they should."""

import numpy as np
import pytest
from scipy.stats import t as student

from clipspace import Embeddings
from clipspace.errors import InputError
from clipspace.measure import contrast, dimension, hubness, spectrum
from clipspace.measure.accuracy import balanced_interval, clopper_pearson
from clipspace.measure.bootstrap import bootstrap
from clipspace.measure.jackknife import groups, jackknife
from clipspace.measure.neighbourhoods import neighbourhoods
from clipspace.points.sphere import unit
from clipspace.probes.directions import geometry
from clipspace.search.exact import neighbours


def test_of_a_mean_with_a_row_a_group_it_is_students_interval(rng):
    x = rng.normal(size=15)
    half = student.ppf(0.975, 14) * x.std(ddof=1) / np.sqrt(15)
    assert jackknife(np.mean, x) == pytest.approx((x.mean() - half, x.mean() + half))


def test_groups_are_even_and_of_the_seed():
    group = groups(47, seed=3)
    assert set(np.bincount(group)) == {2, 3}
    assert (group == groups(47, seed=3)).all()
    assert (group != groups(47, seed=4)).any()
    with pytest.raises(InputError, match="two rows"):
        groups(1)
    with pytest.raises(InputError, match="one length"):
        jackknife(np.mean, np.zeros(5), np.zeros(4))


def test_neighbours_without_a_group_are_those_of_the_other_points(rng):
    x, group = rng.normal(size=(300, 5)), groups(300)
    near = neighbourhoods(x, 10)
    left = near.without(group == 4, 10)
    distances, rows = neighbours(x[group != 4], 10)
    assert np.allclose(left.distances, distances)
    assert (left.rows == rows).all()


def test_spectra_without_a_group_are_those_of_the_other_points(rng):
    x, group = rng.normal(size=(60, 5)) + 3, groups(60)
    assert np.allclose(spectrum.spectra_without(x, group)[7], spectrum.spectrum(x[group != 7]))


def test_every_score_of_a_set_has_an_interval_that_holds_it(rng):
    for row in geometry(Embeddings(rng.normal(size=(80, 6)) + 1)):
        assert row.low <= row.value <= row.high


def test_intervals_of_a_set_hold_what_it_is_on_average():
    """A small version of `benchmarks/interval_coverage.py`, where they hold it in 92 of 100 sets or more."""
    sets = [unit(np.random.default_rng(i).normal(size=(80, 6)) * np.arange(1, 7) + 2) for i in range(60)]
    for statistic in (
        lambda x: spectrum.participation_ratio(spectrum.spectrum(x)),
        lambda x: dimension.levina_bickel(x, k=8),
        lambda x: hubness.skewness(hubness.occurrences(x, k=5)),
    ):
        values = np.array([statistic(x) for x in sets])
        low, high = np.array([jackknife(statistic, x, value=v) for x, v in zip(sets, values, strict=True)]).T
        assert ((low < values.mean()) & (values.mean() < high)).mean() >= 0.88
        assert (high - low).mean() < 3 * 3.92 * values.std()


def test_uniformity_is_made_of_the_closeness_of_each_point(rng):
    x = unit(rng.normal(size=(50, 4)))
    assert contrast.uniformity(x) == pytest.approx(np.log(contrast.closeness(x).mean()))


@pytest.mark.parametrize("n", [6, 12])
def test_the_bootstrap_of_few_rows_holds_the_mean(n):
    hits = [
        low < 1 < high
        for low, high in (bootstrap(np.random.default_rng(i).normal(1, 2, n), resamples=400) for i in range(300))
    ]
    assert 0.92 <= np.mean(hits) <= 0.99


def test_balanced_accuracy_has_the_interval_of_a_share_where_classes_are_equal():
    low, high = balanced_interval(np.array([9, 9, 9, 9]), np.array([10, 10, 10, 10]))
    assert (low, high) == pytest.approx(clopper_pearson(36, 40), abs=0.05)
    assert balanced_interval(np.array([10, 0, 5]), np.array([10, 0, 5]))[0] < 0.9  # no errors, and few rows


def test_the_interval_of_balanced_accuracy_holds_it():
    rng, members, true = np.random.default_rng(0), np.array([4, 10, 40, 100]), np.array([0.6, 0.8, 0.9, 1.0])
    ends = [balanced_interval(rng.binomial(members, true), members) for _ in range(400)]
    hits = [low <= true.mean() <= high for low, high in ends]
    assert np.mean(hits) >= 0.93
    assert np.mean([high - low for low, high in ends]) < 2 * 3.92 * np.sqrt((true * (1 - true) / members).sum()) / 4
