"""Calibration error of answers whose calibration is known."""

import numpy as np
import pytest

from clipspace.errors import InputError
from clipspace.measure.calibration import calibration_error, reliability


@pytest.mark.parametrize("excess", [0.0, 0.2])
def test_overconfidence_that_was_planted_is_measured(rng, excess):
    confidence = rng.uniform(0.3, 1.0, size=40_000)
    right = rng.random(40_000) < confidence - excess
    assert calibration_error(confidence, right) == pytest.approx(excess, abs=0.01)


def test_bins_hold_every_answer_once():
    mean_confidence, accuracy, count = reliability(np.array([0.0, 1 / 15, 0.5, 1.0]), np.array([0, 0, 1, 1]))
    assert count.sum() == 4
    assert count[0] == 2
    assert mean_confidence[-1] == accuracy[-1] == 1


def test_bad_input_is_refused():
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        calibration_error(np.array([1.2]), np.array([1]))
    with pytest.raises(InputError, match="for each answer"):
        calibration_error(np.array([0.2, 0.3]), np.array([1]))
