"""`clipspace explore`: what a map's file holds is on the page."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import run
from packed import Payload
from PIL import Image

from clipspace.search.maps import Map, load_map


@pytest.fixture
def folder(tmp_path, monkeypatch, rng):
    monkeypatch.chdir(tmp_path)
    vectors = np.repeat(np.eye(3, dtype=np.float32), 10, axis=0) + 0.1 * rng.normal(size=(30, 3)).astype(np.float32)
    np.save("x.npy", vectors)
    pq.write_table(pa.table({"name": ["dog", "boat", "house"], "vector": np.eye(3).tolist()}), "words.parquet")
    rows = np.stack([np.roll(np.arange(30), -1), np.roll(np.arange(30), 1)], axis=1)
    rows[3, 1] = -1
    distances = np.where(rows < 0, np.inf, 0.5).astype(np.float32)
    points = Map(vectors[:, :2].copy(), [f"p{i}" for i in range(30)], rows, distances)
    red = io.BytesIO()
    Image.new("RGB", (100, 40), "red").save(red, "PNG")
    columns = {"kind": list("abc") * 10, "text": [f"caption {i}" for i in range(29)] + [None], "lists": [[1]] * 30}
    points.save("map.parquet", images=[red.getvalue()] * 30, columns=columns)
    return tmp_path


def test_a_map_becomes_a_page(folder, capsys):
    options = ("--captions", "text", "--vectors", "x.npy", "--words", "words.parquet", "--title", "Thirty")
    assert run("explore", "map.parquet", "-o", "page.html", *options) == 0
    assert "30 points" in capsys.readouterr().out
    html = (folder / "page.html").read_text()
    page = Payload(html)
    assert page.texts(page["names"]) == [f"p{i}" for i in range(30)]
    assert page.texts(page["captions"])[28:] == ["caption 28", ""]
    assert [column["name"] for column in page["columns"]] == ["kind"]
    assert page.array(page["neighbours"]["rows"]).reshape(30, 2)[3].tolist() == [4, -1]
    assert page["meaning"]["words"] == ["dog", "boat", "house"]
    nearest = page.array(page["meaning"]["rows"]).reshape(3, 30)[:, :10]
    assert np.array_equal(np.sort(nearest, axis=1), np.arange(30).reshape(3, 10))
    assert 'class="explorer-sheet">data:image/' in html
    assert "<h1>Thirty</h1>" in html


def test_what_cannot_be_explored_is_refused(folder, capsys):
    for arguments, message in (
        (["x.npy"], "a file written by `clipspace map`"),
        (["map.parquet", "--captions", "lists"], "one of the columns ['kind', 'text']"),
        (["map.parquet", "--words", "words.parquet"], "both or neither"),
    ):
        assert run("explore", *arguments) == 1
        assert message in capsys.readouterr().err
    assert not (folder / "explorer.html").exists()


def test_a_map_comes_back_with_what_is_not_known_of_its_neighbours(folder):
    points = load_map("map.parquet")
    assert points.neighbours[3].tolist() == [4, -1]
    assert np.isinf(points.distances[3, 1])
    assert points.neighbours[4].tolist() == [5, 3]
