"""The spectrum as an analysis: shares, their sums, and the warning of few points."""

import numpy as np
import pytest

from clipspace.analyses.spectrum import SHARES, run
from clipspace.scenes import render, sample_scenes


@pytest.mark.filterwarnings("ignore:geometry")
def test_few_pictures_of_a_user_are_said_to_be_few(space):
    pictures = [render(scene) for scene in sample_scenes(30, seed=42)]
    found = run(space, pictures)
    assert found.labels["sets"] == ["images"]
    assert "With 30 points these are lower bounds" in found.findings[0]
    x = space.encode_images(pictures).unit
    values = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2
    np.testing.assert_allclose(found.arrays["shares"][0, :29], values[:29] / values.sum(), atol=1e-9)
    for share, count in zip(SHARES, found.arrays["needed"][0], strict=True):
        held = found.arrays["cumulative"][0]
        assert held[count - 1] >= share > held[count - 2]
