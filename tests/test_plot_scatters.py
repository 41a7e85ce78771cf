"""Scatter maps: points where they are, colours that are explained, thumbnails that do not overlap."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from clipspace.measure.column_structure import MOST
from clipspace.plot import name_groups, paper, scatter
from clipspace.scenes import COLORS, GROUNDS


@pytest.fixture
def points(rng):
    return np.concatenate([rng.normal(size=(150, 2)), [4, 1] + 0.1 * rng.normal(size=(50, 2))])


def _boxes(ax):
    return [Bbox.from_extents(*(image.get_extent()[i] for i in (0, 2, 1, 3))) for image in ax.images]


def test_points_are_rasterised_where_they_are(points):
    ax = scatter(points, color="r")
    layer = ax.collections[0]
    np.testing.assert_array_equal(layer.get_offsets(), points)
    assert layer.get_rasterized()
    assert set(map(tuple, layer.get_facecolors())) == {to_rgba("r")}


def test_no_two_thumbnails_overlap_and_no_more_would_fit(points, rng):
    thumbnails = rng.integers(256, size=(200, 4, 4, 3), dtype=np.uint8)
    ax = scatter(points, thumbnails=thumbnails, side=0.08)
    boxes = _boxes(ax)
    assert len(boxes) > 10
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    edge = boxes[0].width * 1.08
    centres = np.array([[(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2] for box in boxes])
    assert (np.abs(points[:, None] - centres).max(axis=2).min(axis=1) < edge + 1e-9).all()


def test_a_thumbnail_lies_upright_on_its_own_point_and_within_the_axes(points):
    thumbnails = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((5, 2, 2, 3), dtype=np.uint8)
    thumbnails[:, 0] += 100  # the upper row
    rows = [0, 160, 30, 60, 90]
    ax = scatter(points, thumbnails=thumbnails, rows=rows, side=0.05)
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    for image, box in zip(ax.images, _boxes(ax), strict=True):
        k = int(image.get_array()[1, 0, 0])
        np.testing.assert_allclose([(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2], points[rows[k]])
        assert left <= box.x0 < box.x1 <= right
        assert bottom <= box.y0 < box.y1 <= top
        assert image.origin == "upper"
    assert ax.get_aspect() == 1


def test_labels_have_a_colour_each_that_the_legend_names(points):
    labels = ["cat", "dog"] * 100
    ax = scatter(points, column=labels)
    colors = ax.collections[0].get_facecolors()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["cat", "dog"]
    for label, handle in zip(["cat", "dog"], ax.get_legend().legend_handles, strict=True):
        wanted = handle.get_facecolors()[0]
        assert {tuple(c) for c, own in zip(colors, labels, strict=True) if own == label} == {tuple(wanted)}


def test_labels_beyond_the_palette_are_grey_and_shapes_tell_apart_those_within(points):
    labels = [f"{i % 27:02}" for i in range(200)]
    ax = scatter(points, column=labels)
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert len(names) == MOST + 1
    assert names[-1] == "other"
    layer, grey = ax.collections[0], to_rgba("0.72")
    marks = [path.vertices.tobytes() for path in layer.get_paths()]
    looks = {}
    for own, color, mark in zip(labels, map(tuple, layer.get_facecolors()), marks, strict=True):
        looks.setdefault((color, mark if color != grey else ""), set()).add(own)
    assert sorted(len(kinds) for kinds in looks.values()) == [1] * MOST + [27 - MOST]
    assert len(set(marks)) == 3


def test_labels_that_name_colours_are_drawn_in_them_and_black_is_black(points):
    labels = ["black", "red", "white", None] * 50
    ax = scatter(points, column=labels)
    colors = ax.collections[0].get_facecolors()
    for label, color in zip(labels, colors, strict=True):
        wanted = "0.72" if label is None else [c / 255 for c in (COLORS | GROUNDS)[label]]
        np.testing.assert_allclose(color, to_rgba(wanted), atol=0.003)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["black", "red", "white", "missing"]
    assert ax.collections[0].get_linewidths()[0] > 0  # white is seen on white


def test_whole_numbers_are_amounts_where_they_are_many(points):
    ax = scatter(points, column=list(range(200)))
    assert ax.get_legend() is None
    assert len(ax.figure.axes) == 2


def test_amounts_have_a_colour_bar(points):
    ax = scatter(points, column=points[:, 0].tolist())
    assert len(ax.figure.axes) == 2
    ax.figure.draw_without_rendering()
    shades = ax.collections[0].get_facecolors()
    low, high = np.argmin(points[:, 0]), np.argmax(points[:, 0])
    assert shades[high].sum() > shades[low].sum()


def test_names_of_groups_stand_beside_their_points_and_apart(rng):
    middles = rng.uniform(size=(9, 2))
    labels = [f"group {i}" for i in range(9)] * 20
    points = middles[np.arange(180) % 9] + 0.01 * rng.normal(size=(180, 2))
    with paper():
        figure = Figure(figsize=(4, 4))
        ax = scatter(points, ax=figure.subplots())
        name_groups(points, [*labels[:-1], None], ax=ax)
        figure.draw_without_rendering()
        boxes = [Bbox.from_bounds(*text.get_window_extent().bounds) for text in ax.texts]
    assert sorted(text.get_text() for text in ax.texts) == sorted(set(labels))
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    for text in ax.texts:
        own = middles[int(text.get_text()[-1])]
        assert np.linalg.norm(np.array(text.xy) - own) < 0.05
