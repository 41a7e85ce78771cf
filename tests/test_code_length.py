"""Code lengths: shuffled labels cost what the uniform code costs, known information is recovered, salience is no matter."""

import numpy as np
import pytest

from clipspace.measure.code_length import code_length
from clipspace.seeds import stream

N, D = 2000, 64


@pytest.fixture(scope="module")
def world():
    rng = stream(0, "code length")
    return rng, rng.standard_normal((N, D)), np.linalg.qr(rng.standard_normal((D, D)))[0], rng.standard_normal(N)


@pytest.mark.parametrize("k", [2, 16])
def test_labels_that_have_nothing_to_do_with_the_points_cost_the_uniform_code(world, k):
    rng, x, _, _ = world
    code = code_length(x, np.eye(k)[rng.integers(k, size=N)], labels=True)
    assert code.uniform == np.log2(k)
    assert code.coded.mean() == pytest.approx(code.uniform, rel=0.02)
    assert code.compression == pytest.approx(1, rel=0.02)
    assert code.saved.low < 0.01
    assert abs(code.usable.value) < 0.02


def test_labels_of_a_perfect_code_cost_next_to_nothing(world):
    rng, x, _, _ = world
    targets = np.eye(4)[rng.integers(4, size=N)]
    code = code_length(np.hstack([4 * targets, x[:, :8]]), targets, labels=True)
    assert code.usable.value == pytest.approx(2, abs=0.05)
    assert code.compression > 10


@pytest.mark.parametrize("bits", [0.5, 1.0, 2.0])
def test_gaussian_information_is_recovered(world, bits):
    rng, x, turn, amount = world
    r2 = 1 - 2 ** (-2 * bits)
    x = x.copy()
    x[:, 0] = np.sqrt(r2) * amount + np.sqrt(1 - r2) * rng.standard_normal(N)
    code = code_length(x @ turn, amount[:, None], labels=False)
    assert code.usable.value == pytest.approx(bits, rel=0.1)
    assert code.usable.low < bits < code.usable.high
    assert 0 < code.saved.value < code.usable.value


def test_bits_rank_what_is_kept_whatever_its_variance(world):
    rng, x, turn, amount = world
    saved = {}
    for name, column in {"A": 0.1 * amount, "A2": amount, "B": amount + rng.standard_normal(N), "E": x[:, 0]}.items():
        points = np.column_stack([column, x[:, 1:]])
        saved[name] = code_length(points @ turn, amount[:, None], labels=False).saved
    standardised = code_length(np.column_stack([0.1 * amount, x[:, 1:]]), amount[:, None], labels=False).saved
    assert standardised.value > saved["B"].high
    assert saved["A"].low > saved["B"].high
    assert saved["A2"].low > saved["B"].high > saved["B"].low > saved["E"].high
    assert abs(saved["E"].value) < 0.03
