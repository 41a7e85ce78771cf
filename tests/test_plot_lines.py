"""Curves: lines, bands and names that do not overlap."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from clipspace.plot import COLORS, curves
from clipspace.plot.lines import apart

X = np.arange(1, 6)
LINES = {"one": X / 10.0, "two": X / 10.0 + 0.001, "three": 1 - X / 10.0}


def test_each_line_has_its_numbers_its_colour_and_its_band():
    ax = curves(X, LINES, bands={"one": (LINES["one"] - 0.1, LINES["one"] + 0.2)}, ends=False)
    for line, (name, y), color in zip(ax.lines, LINES.items(), COLORS, strict=False):
        np.testing.assert_array_equal(line.get_xydata(), np.stack([X, y], axis=1))
        assert (line.get_label(), line.get_color()) == (name, color)
    (band,) = ax.collections
    low, high = band.get_paths()[0].get_extents().get_points()
    np.testing.assert_allclose([low, high], [[1, 0.0], [5, 0.7]], atol=1e-12)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(LINES)


def test_a_line_may_have_its_own_axis():
    ax = curves({"a": [1, 2], "b": [3, 4]}, {"a": [0, 1], "b": [1, 0]})
    np.testing.assert_array_equal([line.get_xdata() for line in ax.lines], [[1, 2], [3, 4]])


@pytest.mark.parametrize("yscale", ["linear", "log"])
def test_names_stand_at_the_ends_and_do_not_overlap(yscale):
    figure = Figure(figsize=(4, 2), layout="constrained")
    ax = figure.subplots()
    ax.set(yscale=yscale)
    curves(X, LINES, ax=ax)
    figure.draw_without_rendering()
    boxes = {text.get_text(): text.get_window_extent() for text in ax.texts}
    assert list(boxes) == list(LINES)
    pairs = [("one", "two"), ("one", "three"), ("two", "three")]
    assert not any(boxes[a].overlaps(boxes[b]) for a, b in pairs)
    assert all(box.x0 > ax.get_window_extent().x1 - 1 for box in boxes.values())
    ends = sorted(LINES, key=lambda name: LINES[name][-1])
    assert sorted(boxes, key=lambda name: boxes[name].y0) == ends


def test_heights_keep_their_order_and_move_no_more_than_needed(rng):
    heights = rng.random(20)
    moved = apart(heights, 0.02)
    assert np.diff(np.sort(moved)).min() >= 0.02 - 1e-9
    np.testing.assert_array_equal(np.argsort(moved), np.argsort(heights))
    assert moved.mean() == pytest.approx(heights.mean())
    np.testing.assert_array_equal(apart(np.array([0.1, 0.9]), 0.2), [0.1, 0.9])
