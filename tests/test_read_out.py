"""Read-out: planted amounts, labels and phases come back, shuffled ones do not."""

import numpy as np
import pytest
from planted import planted

from clipspace import Embeddings
from clipspace.errors import InputError
from clipspace.probes.factors import read_out


def test_read_out_finds_the_planted_share_of_an_amount(rng):
    z, value = planted(rng, 4000)
    found = read_out(z, value.tolist())["linear"]
    assert found.value == pytest.approx(0.5, abs=0.05)
    assert found.low < found.value < found.high


def test_read_out_finds_labels_and_phases_and_nothing_in_shuffled_ones(rng):
    z, value = planted(rng, 1500)
    z[:, 0] = 3 * value
    labels = np.where(value > 0, "up", "down")
    assert read_out(z, labels.tolist())["linear"].value > 0.9
    assert abs(read_out(z, rng.permutation(labels).tolist())["linear"].value) < 0.12
    phase = rng.uniform(size=1500)
    z[:, :2] = 4 * np.stack([np.cos(2 * np.pi * phase), np.sin(2 * np.pi * phase)], axis=1)
    circular = read_out(z, phase.tolist(), period=1.0)
    assert circular["linear"].value > 0.9
    assert circular["neighbours"].value > 0.5
    assert read_out(z, phase.tolist())["linear"].value < 0.7
    assert abs(read_out(z, rng.permutation(phase).tolist(), period=1.0)["linear"].value) < 0.1


def test_the_capacities_asked_for_are_the_rows(rng):
    z, value = planted(rng, 300)
    assert read_out(z, value.tolist()).column("component") == ["linear", "neighbours"]
    assert read_out(z, value.tolist(), capacities=("linear",), seed=3).column("component") == ["linear"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["a"] * 40, "at least two different values"),
        (["a"] * 39 + ["b"], "each label twice"),
        (["a", "b"] * 10, "expected 40 values"),
        ([0.1, float("nan")] * 20, "finite values"),
        ([0.1, "a"] * 20, "mixture"),
    ],
)
def test_values_that_cannot_be_read_out(rng, values, message):
    with pytest.raises(InputError, match=message):
        read_out(rng.normal(size=(40, 4)), values)


def test_points_that_cannot_be_read_from(rng):
    z = rng.normal(size=(60, 8))
    labels = ["a", "b"] * 30
    with pytest.raises(InputError, match="at least 20 points"):
        read_out(z[:10], labels[:10])
    with pytest.warns(UserWarning, match="48 points to learn from in 64 dimensions"):
        read_out(rng.normal(size=(60, 64)), labels)
    with pytest.warns(UserWarning, match="30 of 60 points are duplicates"):
        read_out(Embeddings(np.repeat(z[:30], 2, axis=0)), labels)
    z[3] = np.nan
    with pytest.raises(InputError, match="row 3"):
        read_out(z, labels)


def test_lengths_do_not_matter(rng):
    """Only directions are read: a space that gives the same directions at other lengths scores the same."""
    z, value = planted(rng, 200)
    scaled = z * rng.uniform(0.1, 10, size=(200, 1))
    assert str(read_out(z, value.tolist())) == str(read_out(scaled, value.tolist()))
