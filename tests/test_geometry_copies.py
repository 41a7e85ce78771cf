"""Copies are found whatever their last bits, and nothing else is."""

import numpy as np
import pytest

from clipspace.measure.copies import originals


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_copy_is_traced_to_its_original(rng, dtype):
    x = rng.normal(size=(500, 16)).astype(dtype) * 7
    x[400:450] = x[:50] + 1e-5 * rng.normal(size=(50, 16))
    x[450:] = x[:50]
    expected = np.concatenate([np.arange(400), np.arange(50), np.arange(50)])
    np.testing.assert_array_equal(originals(x), expected)
    shuffled = rng.permutation(500)
    again = originals(x[shuffled])
    for row in range(500):
        alike = np.flatnonzero(expected[shuffled] == expected[shuffled[row]])
        assert again[row] == alike.min()


def test_close_points_are_not_copies(rng):
    x = rng.normal(size=(200, 8))
    np.testing.assert_array_equal(originals(np.concatenate([x, x * 1.001])), np.arange(400))


def test_one_point_many_times_is_one():
    np.testing.assert_array_equal(originals(np.ones((20_000, 4))), np.zeros(20_000))


@pytest.mark.parametrize("n", [0, 1, 5])
def test_zeros_have_no_scale_to_be_close_in(n):
    np.testing.assert_array_equal(originals(np.zeros((n, 3))), np.arange(n))
