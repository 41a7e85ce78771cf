"""The interval of a proportion is that of the bootstrap it stands for."""

import numpy as np
import pytest

from clipspace.probes.accuracy import accuracy_rows, confusion_matrix, proportion_interval
from clipspace.scores import bootstrap


@pytest.mark.parametrize("p", [0.1, 0.5, 0.97])
def test_the_interval_is_that_of_resampled_rows(rng, p):
    right = (rng.random(400) < p).astype(float)
    assert proportion_interval(right, resamples=20_000) == pytest.approx(bootstrap(right, resamples=20_000), abs=0.006)


def test_rows_and_confusion_count_by_hand():
    predicted, truth = np.array([0, 0, 1, 1, 1]), np.array([0, 0, 0, 1, 2])
    overall, per_class = accuracy_rows(predicted, truth, "abc", chance=0.4)
    assert overall.value == 0.6
    assert per_class.value == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert confusion_matrix(predicted, truth, 3).tolist() == [[2, 1, 0], [0, 1, 0], [0, 1, 0]]
