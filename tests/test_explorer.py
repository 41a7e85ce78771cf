"""The text of the explorer; what it does in a browser is in test_report_in_a_browser.py."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hostile_names import NAMES
from packed import Payload
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


def test_the_text_carries_the_map():
    points = a_map()
    page = Payload(explorer(points, captions=["c"] * 8, columns={"label": list("abababab"), "x": np.arange(8) / 2}))
    assert np.array_equal(page.array(page["x"]), points.coordinates[:, 0])
    assert np.array_equal(page.array(page["y"]), points.coordinates[:, 1])
    near = page["neighbours"]
    assert near["k"] == 3
    assert np.array_equal(page.array(near["rows"]).reshape(8, 3), points.neighbours)
    cosines = 1 - points.distances.astype(np.float64) ** 2 / 2
    assert np.abs(page.array(near["cosines"]).reshape(8, 3) / 1000 - cosines).max() <= 0.0005
    assert (page["n"], page.texts(page["names"]), page.texts(page["captions"])) == (8, list(points.names), ["c"] * 8)
    label, x = page["columns"]
    assert (label["name"], page.texts(label["labels"]), page.array(label["codes"])[1]) == ("label", ["a", "b"], 1)
    assert np.array_equal(page.array(x["numbers"]), np.arange(8) / 2)


def test_neighbours_that_are_not_known_stay_unknown():
    points = Map(np.eye(2, dtype=np.float32), ["a", "b"], np.array([[1, -1], [0, -1]]), np.array([[1.0, np.inf]] * 2))
    page = Payload(explorer(points))
    assert page.array(page["neighbours"]["rows"]).tolist() == [1, -1, 0, -1]
    assert page.array(page["neighbours"]["cosines"]).tolist() == [500, 0, 500, 0]


def test_it_opens_on_the_column_that_neighbours_share_and_named_colours_are_their_own():
    columns = {"noise": list("abababab"), "colour": ["black"] * 4 + ["red"] * 4}
    text = explorer(a_map(), columns=columns)
    data = Payload(text)
    assert data["first"] == 1
    assert re.findall(r"<option value=\"(\d)\" selected>(\w+)<", text) == [("1", "colour")]
    assert [column["own"] for column in data["columns"]] == [None, ["#18181c", "#d4262a"]]
    assert Payload(explorer(a_map()))["first"] is None
    groups = Map(np.repeat(np.eye(2), 6, axis=0), list("abcdefghijkl"))  # a map without neighbours: those on it
    assert Payload(explorer(groups, columns={"id": list(range(12)), "group": [0] * 6 + [1] * 6}))["first"] == 1


def test_a_large_map_without_neighbours_is_coloured_by_those_of_some_of_its_points():
    side = 210
    y, x = np.divmod(np.arange(side**2), side)
    points = Map(np.stack([x, y], axis=1).astype(np.float32), list(map(str, range(side**2))))
    columns = {"noise": np.random.default_rng(0).integers(2, size=side**2), "half": x > side / 2}
    assert Payload(explorer(points, columns=columns))["first"] == 1


def test_hostile_text_stays_text():
    points = Map(np.zeros((4, 2), np.float32), NAMES)
    text = explorer(points, captions=NAMES, columns={NAMES[0]: NAMES}, title=NAMES[1])
    assert "<script>window.hacked" not in text
    assert "<img" not in text
    page = Payload(text)
    assert page.texts(page["names"]) == page.texts(page["captions"]) == NAMES
    assert sorted(page.texts(page["columns"][0]["labels"])) == sorted(NAMES)


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
        ({"vectors": np.eye(8)}, "vectors and words, both or neither"),
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
