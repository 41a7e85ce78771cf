"""Heat maps: the matrix as it is, with its values readable in it."""

import numpy as np

from clipspace.plot import heatmap


def test_cells_and_written_values_are_those_of_the_matrix():
    values = np.array([[1.0, 0.25, 0.0], [0.25, 1.0, np.nan]])
    ax = heatmap(values, row_labels=["a", "b"], column_labels=["a", "b", "c"])
    np.testing.assert_array_equal(ax.images[0].get_array().filled(np.nan), values)
    assert ax.images[0].get_clim() == (0, 1)
    written = {text.get_position(): text.get_text() for text in ax.texts}
    assert written == {(0, 0): "1.00", (1, 0): "0.25", (2, 0): "0.00", (0, 1): "0.25", (1, 1): "1.00"}
    assert [text.get_text() for text in ax.get_xticklabels()] == ["a", "b", "c"]


def test_ink_stands_out_from_its_cell():
    ax = heatmap(np.linspace(-1, 1, 9).reshape(3, 3), limits=(-1, 1))
    image = ax.images[0]
    for text in ax.texts:
        column, row = text.get_position()
        shade = np.mean(image.cmap(image.norm(image.get_array()[row, column]))[:3])
        assert abs(shade - (1 if text.get_color() == "white" else 0)) > 0.35


def test_a_large_matrix_has_a_colour_bar_and_no_text(rng):
    ax = heatmap(rng.random((30, 30)))
    assert not ax.texts
    assert len(ax.figure.axes) == 2
