"""The law of unrelated pairs: its dimension is that of the points, and what it foretells is what happens."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from clipspace.errors import InputError
from clipspace.measure.nearness import fit_nearness


@pytest.mark.parametrize("dimension", [2, 5, 9])
def test_the_dimension_of_a_smooth_set_is_found(rng, dimension):
    """A sphere has no edge, near which fewer points would be near."""
    x = rng.normal(size=(2000, dimension + 1))
    law = fit_nearness(pdist(x / np.linalg.norm(x, axis=1, keepdims=True)), 2000)
    assert law.dimension == pytest.approx(dimension, rel=0.1)


@pytest.mark.parametrize("rate", [0.01, 0.05])
def test_as_many_pairs_come_near_as_foretold(rng, rate):
    seen, covered = [], []
    for _ in range(30):
        x = rng.normal(size=(500, 6))
        distances = pdist(x / np.linalg.norm(x, axis=1, keepdims=True))
        law = fit_nearness(distances, 500)
        seen.append(int((distances <= law.distance(rate)).sum()))
        low, high = law.count_interval(rate, 500)
        covered.append(low <= seen[-1] <= high)
    assert np.mean(seen) == pytest.approx(rate * 500, rel=0.25)
    assert np.mean(covered) >= 0.9


def test_rate_and_distance_are_inverse_and_copies_move_neither(rng):
    x = rng.normal(size=(500, 5))
    distances = pdist(x / np.linalg.norm(x, axis=1, keepdims=True))
    law = fit_nearness(distances, 500)
    assert law.rate(law.distance(0.03)) == pytest.approx(0.03)
    copies = np.concatenate([distances, np.full(100, 1e-4)])
    assert fit_nearness(copies, 500).distance(0.01) == pytest.approx(law.distance(0.01), rel=0.1)


@pytest.mark.parametrize(
    ("distances", "rows", "message"),
    [(np.ones(5000), 100, "at one"), (np.ones(99), 60, "at least 50"), (np.ones(99), 9, "got 9")],
)
def test_what_has_no_law_is_refused(distances, rows, message):
    with pytest.raises(InputError, match=message):
        fit_nearness(distances, rows)
