"""Histograms: the shares of what was counted, in the bins it was counted in."""

import numpy as np

from clipspace.plot import histogram


def test_steps_are_the_shares_in_the_bins_given():
    edges, counts = np.array([0.0, 0.5, 2.0]), {"few": np.array([1, 3]), "many": np.array([500, 500])}
    ax = histogram(edges, counts)
    for steps, shares in zip(ax.patches, ([0.25, 0.75], [0.5, 0.5]), strict=True):
        np.testing.assert_allclose(steps.get_data().values, shares)
        np.testing.assert_array_equal(steps.get_data().edges, edges)
    assert ax.get_legend_handles_labels()[1] == ["few", "many"]
    assert ax.get_ylim()[0] == 0
