import numpy as np
import pytest

from clipspace.errors import InputError
from clipspace.points.moments import moments
from clipspace.points.protocol import BLOCK_ROWS as ROWS
from clipspace.points.protocol import PART_ROWS


@pytest.fixture
def rows(rng):
    return (rng.normal(size=(2 * ROWS + 100, 12)) + 3 * rng.normal(size=12)).astype(np.float32)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32])
def test_agree_with_numpy_in_float64(rows, dtype):
    rows = (10 * rows).astype(dtype) if dtype == np.int32 else rows.astype(dtype)
    exact = rows.astype(np.float64)
    found = moments(rows)
    assert found.n == len(rows)
    assert np.allclose(found.mean, exact.mean(axis=0), rtol=1e-6)
    assert np.allclose(found.scatter, np.cov(exact.T) * (len(rows) - 1), rtol=1e-5, atol=1e-6 * found.scatter.max())


def test_a_large_common_mean_costs_no_accuracy(rng):
    rows = rng.normal(size=(3000, 5)).astype(np.float32) + 1000
    exact = np.cov(rows.astype(np.float64).T) * (len(rows) - 1)
    assert np.allclose(moments(rows).scatter, exact, rtol=1e-4, atol=1e-2)


def test_unit_rows_and_a_torch_device(rows):
    direct = moments(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    for found in (moments(rows, unit=True), moments(rows, unit=True, device="cpu")):
        assert np.allclose(found.mean, direct.mean, atol=1e-7)
        assert np.allclose(found.scatter, direct.scatter, rtol=1e-5, atol=1e-3)


def test_merging_is_one_pass(rows):
    whole, a, b = moments(rows), moments(rows[:999]), moments(rows[999:])
    for merged in (a.merge(b), b.merge(a)):
        assert merged.n == whole.n
        assert np.allclose(merged.mean, whole.mean)
        assert np.allclose(merged.scatter, whole.scatter, rtol=1e-5, atol=1e-2)
    one = moments(rows[:1])
    assert np.allclose(one.merge(moments(rows[1:])).scatter, whole.scatter, rtol=1e-5, atol=1e-2)
    with pytest.raises(InputError, match="12 dimensions, got 3"):
        whole.merge(moments(rows[:, :3]))


def test_parts_are_merged_to_the_whole(rng):
    rows = (rng.normal(size=(PART_ROWS + 1000, 3)) + 50).astype(np.float32)
    rows[PART_ROWS:] -= 90  # parts whose means lie far apart
    exact, found = rows.astype(np.float64), moments(rows)
    assert found.n == len(rows)
    assert np.allclose(found.mean, exact.mean(axis=0))
    assert np.allclose(found.scatter, np.cov(exact.T) * (len(rows) - 1), rtol=1e-6, atol=1e-6 * found.scatter.max())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, ROWS + 7, PART_ROWS + 9])
def test_values_that_are_not_finite_are_named(rows, bad, row):
    rows = np.resize(rows, (row + 10, 12))
    rows[row, 3] = bad
    with pytest.raises(InputError, match=f"row {row} "):
        moments(rows)


def test_other_bad_input(rows):
    with pytest.raises(InputError, match="at least one row"):
        moments(rows[:0])
    rows[ROWS + 1] = 0
    with pytest.raises(InputError, match=f"zero.* row {ROWS + 1} "):
        moments(rows, unit=True)
    with pytest.raises(InputError, match="overflow"):
        moments((rows * 1e30).astype(np.float32))


def _worst(rows):
    """Largest relative error of a variance along the exact axes, and least cosine of an axis, by SVD in float64."""
    exact = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    values, axes = np.linalg.svd(exact, full_matrices=False)[1:]
    found = np.linalg.eigh(moments(rows).scatter)
    variances, vectors = found[0][::-1], found[1].T[::-1]
    return np.abs(variances / values**2 - 1).max(), np.abs((vectors * axes).sum(axis=1)).min()


@pytest.mark.parametrize("moved", [ROWS, ROWS + 904, 100, 19_990])
def test_a_mean_that_moves_costs_no_accuracy(rng, moved):
    rows = rng.normal(size=(20_000, 32)).astype("f4") * np.logspace(0, -2, 32, dtype="f4")
    rows[moved:] += 1000
    off, cosine = _worst(rows)
    assert off < 1e-5  # float64 input: 1e-6, as variances span eleven orders
    assert cosine > 1 - 1e-9


def test_a_mean_that_drifts_costs_little(rng):
    rows = rng.normal(size=(20_000, 32)).astype("f4") * np.logspace(0, -1, 32, dtype="f4")
    rows += np.linspace(0, 100, len(rows), dtype="f4")[:, None]
    off, cosine = _worst(rows)
    assert off < 1e-5
    assert cosine > 1 - 1e-7


def test_one_outlier_is_only_a_row(rng):
    rows = rng.normal(size=(5000, 8)).astype("f4")
    rows[1234] *= 1e4
    off, cosine = _worst(rows)
    assert off < 1e-6
    assert cosine > 1 - 1e-9
