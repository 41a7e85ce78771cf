"""The text of the explorer; what it does in a browser is in test_report_in_a_browser.py."""

import base64
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hostile_names import NAMES
from PIL import Image

from clipspace.errors import InputError
from clipspace.report.explorer import explorer, write_explorer
from clipspace.search.maps import Map

ADDRESSES = {
    "http://www.w3.org/": "namespaces of SVG and XML",
}
"""Every address in a page, or what it begins with, and why nothing is fetched from there."""


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


def test_it_opens_on_the_column_that_neighbours_share_and_named_colours_are_their_own():
    columns = {"noise": list("abababab"), "colour": ["black"] * 4 + ["red"] * 4}
    text = explorer(a_map(), columns=columns)
    data = payload(text)
    assert data["first"] == 1
    assert re.findall(r"<option value=\"(\d)\" selected>(\w+)<", text) == [("1", "colour")]
    assert [column["own"] for column in data["columns"]] == [None, ["#18181c", "#d4262a"]]
    assert payload(explorer(a_map()))["first"] is None
    groups = Map(np.repeat(np.eye(2), 6, axis=0), list("abcdefghijkl"))  # a map without neighbours: those on it
    assert payload(explorer(groups, columns={"id": list(range(12)), "group": [0] * 6 + [1] * 6}))["first"] == 1


def test_hostile_text_stays_text():
    points = Map(np.zeros((4, 2), np.float32), NAMES)
    text = explorer(points, captions=NAMES, columns={NAMES[0]: NAMES}, title=NAMES[1])
    assert "<script>window.hacked" not in text
    assert "<img" not in text
    data = payload(text)
    assert data["names"] == data["captions"] == NAMES
    assert sorted(data["columns"][0]["labels"]) == sorted(NAMES)


class Parts(HTMLParser):
    """The attributes of a page's elements, and the text of its styles and scripts."""

    def __init__(self, text):
        super().__init__()
        self.attributes, self.texts, self._inside = [], [], {}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.attributes += [(tag, name, value or "") for name, value in attributes]
        self._inside = {"tag": tag, **dict(attributes)}

    def handle_endtag(self, tag):
        self._inside = {}

    def handle_data(self, data):
        if self._inside.get("tag") in ("style", "script"):
            self.texts.append((self._inside, data))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    tiles = [Image.new("RGB", (32, 32), (30 * i, 0, 0)) for i in range(8)]
    path = tmp_path_factory.mktemp("page") / "map.html"
    text = write_explorer(path, a_map(), thumbnails=tiles, columns={"label": list("abababab")}).read_text()
    return text, Parts(text)


def test_every_address_in_a_page_is_known_and_none_is_fetched(written):
    text, parts = written
    found = set(re.findall(r"https?://[^\s\"'`<>)\\\\,]*", text))
    assert found
    assert {address for address in found if not address.startswith(tuple(ADDRESSES))} == set()
    outside = re.compile(r"\s*(?:https?:)?//", re.IGNORECASE)
    assert [value for _, name, value in parts.attributes if name != "content" and outside.match(value)] == []
    styles = [style for inside, style in parts.texts if inside["tag"] == "style"]
    styles += [value for _, name, value in parts.attributes if name == "style"]
    assert len(styles) > 1
    assert re.findall(r"url\(|@import", " ".join(styles)) == []


def test_the_policy_keeps_other_hosts_out(written):
    policies = [value for tag, name, value in written[1].attributes if (tag, name) == ("meta", "content")]
    rules = next(policy for policy in policies if "default-src" in policy).split("; ")
    assert "default-src 'none'" in rules
    allowed = {source for rule in rules for source in rule.split()[1:]}
    assert allowed <= {"'none'", "'self'", "file:", "data:", "blob:", "'unsafe-inline'"}


def test_thumbnails_are_in_the_page(written):
    sheets = [data for inside, data in written[1].texts if inside.get("class") == "explorer-sheet"]
    assert len(sheets) == 1
    assert sheets[0].startswith(("data:image/webp;base64,", "data:image/jpeg;base64,", "data:image/png;base64,"))


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
