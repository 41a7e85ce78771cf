from itertools import combinations

import matplotlib
import numpy as np
import pytest

from clipspace.measure.column_structure import MOST, column, most_structured, shared, structure
from clipspace.plot.colors import PALETTE, SCALE, SHAPES, named_colors

# What dichromats see of linear RGB: Machado, Oliveira and Fernandes 2009, severity 1.
SIGHT = {
    "all cones": np.eye(3),
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritanopia": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


def linear(colours):
    rgb = np.array([matplotlib.colors.to_rgb(c) for c in colours])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    white = np.array([[0.4125, 0.2127, 0.0193], [0.3576, 0.7152, 0.1192], [0.1804, 0.0722, 0.9503]])
    xyz = rgb @ white / white.sum(axis=0)
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


def closest(colours, sight):
    seen = lab(np.clip(linear(colours) @ np.array(SIGHT[sight]).T, 0, 1))
    return min(np.linalg.norm(a - b) for a, b in combinations(seen, 2))


def test_every_label_that_is_told_apart_has_a_colour_and_a_shape():
    assert len(PALETTE) * len(SHAPES) == MOST


@pytest.mark.parametrize("sight", SIGHT)
def test_labels_are_told_apart_whatever_the_eyes(sight):
    assert closest(PALETTE, sight) > 15
    assert min(closest(matplotlib.color_sequences["tab10"], sight) for sight in SIGHT) < 6  # the measure can fail


def test_labels_stand_out_on_light_and_on_dark():
    luminance = linear(PALETTE) @ [0.2126, 0.7152, 0.0722]
    dark = float(linear(["#1a1d22"])[0] @ [0.2126, 0.7152, 0.0722])
    assert (1.05 / (luminance + 0.05)).min() > 1.5
    assert ((luminance + 0.05) / (dark + 0.05)).min() > 2.4


def test_the_colours_are_the_published_ones():
    greys = {"#94a4a2", "#717581"}
    published = [matplotlib.colors.to_hex(c) for c in matplotlib.color_sequences["petroff10"]]
    assert list(PALETTE) == [c for c in published if c not in greys]
    viridis = matplotlib.colormaps["viridis"].resampled(len(SCALE))
    assert list(SCALE) == [matplotlib.colors.to_hex(viridis(i)) for i in range(len(SCALE))]


@pytest.mark.parametrize(
    ("values", "labels", "codes"),
    [
        (["b", "a", None, "b"], ["a", "b"], [1, 0, -1, 1]),
        (["", "a"], ["(empty)", "a"], [0, 1]),
        ([True, False, True], ["False", "True"], [1, 0, 1]),
        ([10, 2, None, 10], ["2", "10"], [1, 0, -1, 1]),
        (np.array([3, 1, 3]), ["1", "3"], [1, 0, 1]),
        (["b", "a", float("nan"), "b\ud800"], ["a", "b", "b\ud800"], [1, 0, -1, 2]),
        ([1, "one", 1], ["1", "one"], [0, 1, 0]),
        ([None, None], [], [-1, -1]),
    ],
)
def test_labels(values, labels, codes):
    found = column(values)
    assert (found["labels"], found["codes"].tolist()) == (labels, codes)


@pytest.mark.parametrize(
    "values", [[0.5, None, 2], np.arange(100), [np.inf, 0], np.array([0.5, np.nan, 2], np.float32)]
)
def test_numbers(values):
    expected = np.array([np.nan if v is None else v for v in values], float)
    assert np.array_equal(column(values)["numbers"], expected, equal_nan=True)


def test_of_many_labels_the_most_frequent_are_coloured():
    rare = [f"a{i:02}" for i in range(40)]
    often = [f"b{i:02}" for i in range(MOST)]
    found = column(rare + often + often)
    assert found["labels"] == often + rare
    assert found["codes"].tolist() == [*range(MOST, MOST + 40), *range(MOST), *range(MOST)]


def test_labels_that_all_name_a_colour_have_it():
    assert named_colors(["black", "navy", "mint"]) == ["#18181c", "#1a265c", "#b8e6ce"]  # as scenes draw them
    assert named_colors(["black", "teal"]) == ["#18181c", "#008080"]
    assert named_colors(["#0af", "rgb(1, 2, 3)"]) == ["#00aaff", "#010203"]
    assert named_colors(["black", "cat"]) is None
    assert named_colors([]) is None


def near_of(n, k):
    """The ``k`` points that follow each of ``n`` points on a circle."""
    return np.array([[(i + step) % n for step in range(1, k + 1)] for i in range(n)])


def test_what_neighbours_share_of_labels_is_counted():
    near = np.array([[1], [0], [3], [-1]])
    share, chance = shared(near, ["a", "a", "b", "c"])
    assert (share, chance) == (2 / 3, 1 / 6)
    share, chance = shared(near, ["a", None, "b", "b"])
    assert (share, chance) == (1, 1 / 3)
    assert shared(near, [None] * 4) == (0, 0)
    assert structure(near, ["a"] * 4) == 0


def test_of_numbers_it_is_what_geary_says_and_nothing_in_shuffled_ones(rng):
    n, k = 400, 4
    near, x = near_of(n, k), np.sin(np.arange(n) / 20)
    ranks = np.argsort(np.argsort(x + 1e-9 * rng.normal(size=n)))
    weights = np.zeros((n, n))
    np.put_along_axis(weights, near, 1, axis=1)
    apart = (ranks[:, None] - ranks) ** 2
    ratio = (n - 1) * (weights * apart).sum() / (2 * weights.sum() * ((ranks - ranks.mean()) ** 2).sum())
    assert shared(near, x) == (pytest.approx(1 - ratio, abs=1e-3), 0)
    assert structure(near, x) > 0.9
    assert abs(structure(near, rng.permutation(x))) < 0.1
    assert structure(near, np.exp(5 * x)) == pytest.approx(structure(near, x), abs=1e-9)  # whatever the scale
    assert structure(near, np.full(n, 0.5)) == 0


def test_the_column_to_colour_by_is_the_one_that_neighbours_share(rng):
    n = 240
    near = near_of(n, 5)
    columns = {
        "noise": rng.permutation(np.arange(n) // 60).tolist(),
        "groups": (np.arange(n) // 60).tolist(),
        "place": (np.arange(n) + 0.5).tolist(),
        "name": [f"row {i}" for i in range(n)],
    }
    assert most_structured(near, columns) == max(("groups", "place"), key=lambda name: structure(near, columns[name]))
    assert most_structured(near, {k: columns[k] for k in ("noise", "groups", "name")}) == "groups"
    assert most_structured(near, {"pairs": [str(i // 2) for i in range(n)], "noise": columns["noise"]}) == "noise"
    assert most_structured(near, {}) is None
