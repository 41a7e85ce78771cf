"""The text of the explorer; what it does in a browser is in test_report_in_a_browser.py."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
from hostile_names import NAMES
from PIL import Image

import clipspace.report
from clipspace.errors import InputError
from clipspace.maps import Map
from clipspace.report.explorer import explorer


def a_map(n=8):
    rows = np.array([np.roll(np.arange(n), -i)[1:4] for i in range(n)])
    distances = np.tile(np.float32([0.1, 0.2, 0.3]), (n, 1))
    coordinates = np.random.default_rng(0).normal(size=(n, 2)).astype(np.float32)
    return Map(coordinates, [f"p{i}" for i in range(n)], rows, distances)


def payload(text):
    return json.loads(re.search(r'id="explorer-data">(.*?)</script>', text, re.DOTALL)[1])


def unpacked(text, dtype):
    return np.frombuffer(base64.b64decode(text), dtype)


def test_the_text_carries_the_map():
    points = a_map()
    data = payload(explorer(points, captions=["c"] * 8, columns={"label": list("abababab"), "x": np.arange(8) / 2}))
    assert np.array_equal(unpacked(data["x"], "<f4"), points.coordinates[:, 0])
    assert np.array_equal(unpacked(data["y"], "<f4"), points.coordinates[:, 1])
    assert data["neighbours"]["k"] == 3
    assert np.array_equal(unpacked(data["neighbours"]["rows"], "<i4").reshape(8, 3), points.neighbours)
    assert np.array_equal(unpacked(data["neighbours"]["distances"], "<f4").reshape(8, 3), points.distances)
    assert (data["names"], data["captions"]) == (list(points.names), ["c"] * 8)
    label, x = data["columns"]
    assert (label["name"], label["labels"], unpacked(label["codes"], "<i4")[1]) == ("label", ["a", "b"], 1)
    assert np.array_equal(unpacked(x["numbers"], "<f8"), np.arange(8) / 2)


def test_hostile_text_stays_text():
    points = Map(np.zeros((4, 2), np.float32), NAMES)
    text = explorer(points, captions=NAMES, columns={NAMES[0]: NAMES}, title=NAMES[1])
    assert "<script>window.hacked" not in text
    assert "<img" not in text
    data = payload(text)
    assert data["names"] == data["captions"] == NAMES
    assert sorted(data["columns"][0]["labels"]) == sorted(NAMES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"captions": ["one"]}, "8 values in 'captions'"),
        ({"thumbnails": [Image.new("RGB", (8, 8))]}, "8 values in 'thumbnails'"),
        ({"columns": {"label": [1, 2]}}, "8 values in 'label'"),
        ({"captions": ["one"], "columns": {"captions": ["c"] * 8}}, "8 values in 'captions'"),
        ({"columns": {"label": [[1]] * 8}}, "text or numbers in the column 'label'"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        explorer(a_map(), **options)


@pytest.mark.parametrize("coordinates", [np.zeros((0, 2)), np.array([[0.0, np.nan]])])
def test_maps_that_cannot_be_drawn(coordinates):
    with pytest.raises(InputError, match="finite coordinates"):
        explorer(Map(coordinates, ["a"] * len(coordinates)))


def test_what_is_vendored_says_its_licence():
    folder = Path(clipspace.report.__file__).parent / "vendor"
    assert "Licensed under the MIT license" in (folder / "plotly-gl2d.min.js").read_text()[:400]
    assert "MIT License" in (folder / "plotly-gl2d.LICENSE").read_text()
