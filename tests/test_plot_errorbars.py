"""Rows of values: bars, dots, intervals and chance are where matplotlib's own objects say they are."""

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from clipspace.plot import intervals

LABELS, VALUES = ["a", "b", "c"], [0.2, None, 0.9]


def _segments(ax, which):
    """Ends of the lines of one collection: intervals come last, chance first."""
    return [s for s in ax.collections[which].get_segments() if len(s) and np.isfinite(s).all()]


def test_bars_are_as_long_as_values_and_read_from_the_top():
    ax = intervals(LABELS, VALUES, low=[0.1, None, 0.8], high=[0.3, None, 0.95], bars=True, color=["r", "g", "b"])
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([0.2, np.nan, 0.9], nan_ok=True)
    assert [bar.get_y() + bar.get_height() / 2 for bar in ax.patches] == pytest.approx([0, 1, 2])
    assert ax.patches[2].get_facecolor() == to_rgba("b")
    assert [text.get_text() for text in ax.get_yticklabels()] == LABELS
    top, bottom = ax.transData.transform([(0, 0), (0, 2)])[:, 1]
    assert top > bottom
    ends = _segments(ax, -1)
    np.testing.assert_allclose(ends, [[[0.1, 0], [0.3, 0]], [[0.8, 2], [0.95, 2]]])


def test_dots_of_a_second_series_stand_beside_the_first():
    ax = intervals(LABELS, VALUES, offset=-0.2, label="one")
    intervals(LABELS, [0.4, 0.5, None], offset=0.2, marker="|", label="two", ax=ax)
    dots = [c for c in ax.collections if len(c.get_offsets()) == 3]
    np.testing.assert_allclose(np.ma.filled(dots[0].get_offsets(), np.nan)[[0, 2]], [[0.2, -0.2], [0.9, 1.8]])
    np.testing.assert_allclose(np.ma.filled(dots[1].get_offsets(), np.nan)[:2], [[0.4, 0.2], [0.5, 1.2]])
    assert ax.get_legend_handles_labels()[1] == ["one", "two"]


def test_chance_is_a_tick_across_its_row_alone():
    ax = intervals(LABELS, VALUES, chance=[0.5, None, 0.25], offset=0.1, height=0.4)
    np.testing.assert_allclose(_segments(ax, 0), [[[0.5, -0.1], [0.5, 0.3]], [[0.25, 1.9], [0.25, 2.3]]])


def test_an_interval_shows_on_a_dark_bar():
    ax = intervals(LABELS, VALUES, low=[0.1, None, 0.8], high=[0.3, None, 0.95], bars=True, color="black")
    rim, line = ax.collections[-2:]
    np.testing.assert_allclose(_segments(ax, -2), _segments(ax, -1))
    assert to_rgba("white") == tuple(rim.get_colors()[0])
    assert rim.get_linewidth()[0] > line.get_linewidth()[0]
    assert rim.get_zorder() < line.get_zorder()
