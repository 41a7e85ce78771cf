from itertools import combinations

import matplotlib
import numpy as np
import pytest

from clipspace.report.columns import MOST, PALETTE, SCALE, column

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
