"""Sensitivity and consistency of displacements, against angles and directions that are known."""

import numpy as np
import pytest

from clipspace.probes.factors.sensitivity import consistency, sensitivity, typical_angle


def test_sensitivity_is_the_angle_over_the_typical_angle(rng):
    before = np.zeros((50, 8))
    before[:, 0] = 1
    after = before.copy()
    after[:, 1] = np.tan(0.3)
    assert sensitivity(before, after, typical=1.5).value == pytest.approx(0.2)
    assert sensitivity(before, 3 * before, typical=1.5).value == 0
    spread = rng.normal(size=(400, 512))
    assert typical_angle(spread) == pytest.approx(np.pi / 2, abs=0.01)


def test_consistency_is_one_for_a_shared_direction_and_chance_for_none(rng):
    before = rng.normal(size=(200, 64))
    before /= np.linalg.norm(before, axis=1, keepdims=True)
    old, new = rng.integers(4, size=200), rng.integers(4, size=200)
    directions = rng.normal(size=(4, 64)) * 1e-3
    shared = before + directions[new] - directions[old]
    same = old == new
    how = {"period": None, "seed": 0}
    found = consistency(before[~same], shared[~same], old[~same].tolist(), new[~same].tolist(), **how)
    assert found.value > 0.95
    noise = before + rng.normal(size=before.shape) * 1e-3
    found = consistency(before[~same], noise[~same], old[~same].tolist(), new[~same].tolist(), **how)
    assert abs(found.value) < 0.1
