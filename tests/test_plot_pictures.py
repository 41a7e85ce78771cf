"""Pictures and what stands beside them: measured on matplotlib's own objects."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from clipspace.plot import (
    cells_for,
    grid,
    ladder,
    number_columns,
    page,
    pair_columns,
    pair_cosines,
    pairs,
    paper,
    probabilities,
    span,
    trim,
    width,
)


@pytest.fixture
def images():
    """2 x 3 pictures of one colour each."""
    colors = np.arange(6 * 3, dtype=np.uint8).reshape(2, 3, 1, 1, 3) * 10
    return np.broadcast_to(colors, (2, 3, 4, 4, 3)).copy()


def _centres(ax):
    """The centre of each picture in data units, in the order they were drawn."""
    boxes = np.array([image.get_extent() for image in ax.get_images()])
    return np.stack([boxes[:, :2].mean(axis=1), boxes[:, 2:].mean(axis=1)], axis=1)


def _pixels(ax, y):
    """Height on the page, in pixels, of the data heights ``y``."""
    ax.figure.draw_without_rendering()
    return ax.transData.transform([(0, value) for value in np.atleast_1d(y)])[:, 1]


def test_a_grid_holds_every_picture_at_its_place_with_its_labels(images):
    ax = grid(images, row_labels=["one", "two"], column_labels=["a", "b", "c"])
    for picture, drawn in zip(images.reshape(6, 4, 4, 3), ax.get_images(), strict=True):
        assert np.array_equal(drawn.get_array(), picture)
        left, right, bottom, top = drawn.get_extent()
        assert np.allclose([right - left, bottom - top], 0.94)  # upright: rows count downwards
    assert np.allclose(_centres(ax), [(j, i) for i in range(2) for j in range(3)])
    assert [(t.get_text(), x) for t, x in zip(ax.get_xticklabels(), ax.get_xticks(), strict=True)] == [
        ("a", 0), ("b", 1), ("c", 2)
    ]  # fmt: skip
    assert [(t.get_text(), y) for t, y in zip(ax.get_yticklabels(), ax.get_yticks(), strict=True)] == [
        ("one", 0), ("two", 1)
    ]  # fmt: skip
    assert ax.get_aspect() == 1


def test_captions_stand_below_their_pictures_and_touch_no_other(images):
    captions = [[f"{i}{j}" for j in range(3)] for i in range(2)]
    with paper():
        figure = Figure(figsize=(4, 4))
        ax = grid(images, captions=captions, ax=figure.subplots())
        figure.draw_without_rendering()
    pictures = [image.get_window_extent() for image in ax.get_images()]
    for k, text in enumerate(ax.texts):
        box = text.get_window_extent()
        assert text.get_text() == f"{k // 3}{k % 3}"
        assert abs((box.x0 + box.x1) / 2 - (pictures[k].x0 + pictures[k].x1) / 2) < 1
        assert box.y1 <= pictures[k].y0 + 1
        assert not any(box.padded(-1).overlaps(picture) for picture in pictures)


def test_breaks_leave_room_before_their_columns_and_labels_follow(images):
    ax = grid(images, breaks=[1], column_labels=["a", "b", "c"])
    assert np.allclose(_centres(ax)[:3, 0], [0, 1.5, 2.5])
    assert np.allclose(ax.get_xticks(), [0, 1.5, 2.5])
    assert ax.get_xlim() == (-0.5, 3.0)


def test_long_labels_go_on_in_a_new_line(images):
    ax = grid(images, row_labels=["a red apple on white", "b"], wrap=11)
    assert ax.get_yticklabels()[0].get_text() == "a red apple\non white"


def test_few_pixels_stay_sharp_and_many_are_resampled(images):
    assert grid(images).get_images()[0].get_interpolation() == "none"
    large = np.zeros((1, 1, 256, 256, 3), np.uint8)
    assert grid(large).get_images()[0].get_interpolation() == "antialiased"


def test_an_arrow_leads_from_before_to_after(images):
    ax = pairs(images[:, 0], images[:, 1], labels=("source", "edited"), row_labels=["one", "two"])
    drawn = [image.get_array()[0, 0].tolist() for image in ax.get_images()]
    assert drawn == [images[i, j, 0, 0].tolist() for i in range(2) for j in range(2)]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["source", "edited"]
    for i, arrow in enumerate(ax.texts):
        (start, y0), (end, y1) = arrow.xyann, arrow.xy
        assert y0 == y1 == i
        assert 0.47 < start < end < 1.03


def test_bars_are_as_long_as_their_probabilities_and_say_them():
    values = np.array([[0.25, 0.75], [1.0, 0.0]])
    ax = probabilities(values, ["an apple", "a pizza"])
    assert np.allclose([bar.get_width() for bar in ax.patches], values.ravel())
    assert [text.get_text() for text in ax.texts] == ["25.0%", "75.0%", "100%", "0%"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["an apple", "a pizza"] * 2
    middles = [bar.get_y() + bar.get_height() / 2 for bar in ax.patches]
    assert np.allclose(middles, ax.get_yticks())
    assert np.allclose(middles, [text.get_position()[1] for text in ax.texts])
    assert ax.get_xlim()[1] > 1


def test_labels_may_differ_from_row_to_row():
    ax = probabilities(np.full((2, 2), 0.5), [["a", "b"], ["c", "b"]])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b", "c", "b"]


@pytest.mark.parametrize("venue", ["neurips", "eccv", "cvpr"])
def test_bars_stand_level_with_their_pictures(images, venue):
    values = np.full((2, 3), 1 / 3)
    with paper(venue):
        figure = Figure(figsize=(5, 8), layout="compressed")
        left, right = figure.subplots(1, 2, width_ratios=[1, 2])
        grid(images[:, :1], row_labels=["one", "a longer label"], ax=left)
        probabilities(values, ["a", "b", "c"], cells=2, ax=right)
        trim(figure)
    assert np.allclose(_pixels(left, [0, 1]), _pixels(right, [0, 1]), atol=1)
    assert np.allclose(_pixels(left, [-0.5, 1.5]), _pixels(right, [-0.5, 1.5]), atol=1)


def test_a_ladder_draws_its_values_under_the_columns_of_a_grid(images):
    with paper():
        figure = Figure(figsize=(5, 8), layout="compressed")
        above, below = figure.subplots(2, 1)
        grid(images, column_labels=["2", "4", "source"], ax=above)
        ladder([2, 4], {"variance": [0.2, 0.9], "cosine": [0.5, 1.0]}, ax=below).set_xlim(above.get_xlim())
        trim(figure)
        figure.draw_without_rendering()
    assert {line.get_label(): line.get_ydata().tolist() for line in below.lines} == {
        "variance": [0.2, 0.9],
        "cosine": [0.5, 1.0],
    }
    assert [label.get_text() for label in below.get_xticklabels()] == ["2", "4"]
    assert len({line.get_marker() for line in below.lines}) == 2
    for column in (0, 1):
        x_above, x_below = (ax.transData.transform((column, 0))[0] for ax in (above, below))
        assert abs(x_above - x_below) < 2


def test_a_trimmed_figure_keeps_its_width_and_wastes_no_height(images):
    with paper():
        figure = Figure(figsize=(5, 9), layout="compressed")
        grid(images, row_labels=["one", "two"], column_labels=["a", "b", "c"], ax=figure.subplots())
        trim(figure)
        figure.draw_without_rendering()
    width, height = figure.get_size_inches()
    box = figure.get_tightbbox()
    assert width == 5
    assert 0 <= height - box.height < 0.15
    assert box.width > 4.8  # the pictures take the whole width


@pytest.mark.parametrize("venue", ["neurips", "icml", "cvpr"])
def test_a_page_is_as_wide_as_the_text_and_trimming_leaves_that(images, venue):
    with paper(venue):
        figure = page(venue)
        grid(images, row_labels=["one", "two"], ax=figure.subplots())
        assert trim(figure).get_figwidth() == width(venue)


@pytest.mark.parametrize("venue", ["neurips", "eccv"])
def test_numbers_stand_level_with_their_pictures_under_names_that_fit(images, venue):
    names = ["cosine to\nits z", "cosine to\nother z"]
    with paper(venue):
        figure, cells = page(venue), cells_for(names, 3, venue)
        left, right = figure.subplots(1, 2, width_ratios=[3, cells])
        grid(images, ax=left)
        number_columns([[0.5, -0.25], [-0.001, None]], names, cells=cells, ax=right)
        trim(figure)
        heads = [label.get_window_extent() for label in right.get_xticklabels()]
    assert [text.get_text() for text in right.texts] == ["0.50", "−0.25", "0.00", "–"]
    assert np.allclose(_pixels(left, [0, 1]), _pixels(right, [0, 1]), atol=1)
    assert heads[0].x1 < heads[1].x0
    assert heads[1].x1 <= figure.bbox.x1 + 1


def test_a_span_stands_over_its_columns_and_above_their_labels(images):
    with paper():
        figure = Figure(figsize=(4, 3))
        ax = grid(images, column_labels=["a", "b", "c"], ax=figure.subplots())
        (text,) = span(ax, 1, 2, "two columns").texts
        figure.draw_without_rendering()
        box, labels = text.get_window_extent(), [label.get_window_extent() for label in ax.get_xticklabels()]
    assert (box.x0 + box.x1) / 2 == pytest.approx((labels[1].x0 + labels[2].x1) / 2, abs=3)
    assert box.y0 > max(label.y1 for label in labels)
    (rule,) = ax.lines
    assert rule.get_xdata() == pytest.approx([0.6, 2.4])


def test_labels_of_pairs_are_named_line_by_line(images):
    marks = pair_cosines([(0.5, -0.25), (0.125, 1.0)], "pixels")
    assert marks == {"labels": ["0.50\n−0.25", "0.12\n1.00"], "label_names": "cosine in z\nin pixels"}
    with paper():
        figure = Figure(figsize=(4, 3))
        ax = pair_columns(images[:, :2], title="same", **marks, ax=figure.subplots())
        figure.draw_without_rendering()
        (name,) = [text for text in ax.texts if "pixels" in text.get_text()]
        box, first = name.get_window_extent(), ax.get_xticklabels()[0].get_window_extent()
    assert box.x1 < first.x0
    assert box.y0 == pytest.approx(first.y0, abs=2)


def test_levels_of_chance_have_the_colour_of_their_curve():
    ax = ladder([1, 2], {"colour": [0.2, 0.9], "thing": [0.1, 0.8]}, chance={"thing": 0.05}, ylabel="share")
    colour, thing, level = ax.lines
    assert level.get_ydata() == [0.05, 0.05]
    assert level.get_color() == thing.get_color() != colour.get_color()
    assert colour.get_markersize() > thing.get_markersize()
