import io
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_cli import run

from clipspace import PCA, encode
from clipspace.cli import vectors
from clipspace.cli.vectors import _bytes
from clipspace.errors import InputError
from clipspace.points.embeddings import Embeddings
from clipspace.points.store import write_store
from clipspace.scenes import render, sample_scenes
from clipspace.search.maps import pca_map


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.random.default_rng(0).normal(size=(300, 128)).astype(np.float16))
    return tmp_path


def test_pca_of_a_file_is_that_of_its_directions(folder, capsys):
    assert run("pca", "x.npy", "-o", "pca.safetensors", "--components", "5", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    x = np.load("x.npy").astype(float)
    expected = PCA(5).fit(x / np.linalg.norm(x, axis=1, keepdims=True))
    assert np.allclose(facts["explained_variance_ratio"], expected.explained_variance_ratio_, rtol=1e-4)
    assert np.allclose(PCA.load("pca.safetensors").components_, expected.components_, atol=1e-4)


def test_index_search_and_map(folder, capsys):
    assert run("index", "x.npy", "-o", "index") == 0
    capsys.readouterr()
    assert run("search", "index", "--vectors", "x.npy", "-k", "2", "--json") == 0
    found = pd.DataFrame(json.loads(capsys.readouterr().out))
    assert list(found[found["rank"] == 0]["row"]) == list(range(300))
    assert run("search", "index", "--vectors", "x.npy") == 0
    assert run("map", "x.npy", "-o", "map.parquet", "--index", "index") == 0
    assert run("map", "x.npy", "-o", "pca.parquet", "--method", "pca") == 0
    assert len(pd.read_parquet("map.parquet")) == len(pd.read_parquet("pca.parquet")) == 300


def test_a_map_of_a_store_takes_its_images_along(folder, space):
    Path("photos").mkdir()
    for i, scene in enumerate(sample_scenes(20, seed=8)):
        render(scene).save(f"photos/{i}.png")
    encode(space, "photos", "store")
    assert run("map", "store", "-o", "placed.parquet", "--source", "photos", "--method", "pca") == 0
    placed = pd.read_parquet("placed.parquet")
    assert [row["bytes"] for row in placed["image"]] == [Path("photos", name).read_bytes() for name in placed["name"]]


def test_a_map_reads_its_images_from_the_column_that_was_encoded(folder, space):
    files = [[_png(scene) for scene in sample_scenes(4, seed=seed)] for seed in (8, 9)]
    pq.write_table(pa.table({"image": files[0], "drawing": files[1]}), "both.data")
    how = ["--kind", "parquet", "--image-column", "drawing"]
    assert run("encode", "both.data", "-o", "store", *how) == 0
    assert run("map", "store", "-o", "placed.parquet", "--source", "both.data", *how, "--method", "pca") == 0
    assert [row["bytes"] for row in pd.read_parquet("placed.parquet")["image"]] == files[1]


def _png(scene):
    file = io.BytesIO()
    render(scene).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("most", "source", "names", "message"),
    [
        (2, "photos", "012", "at most 2 points"),
        (3, "others", "012", "'0.png'"),
        (3, "photos", "p11", "got '1.png' twice"),
    ],
)
def test_images_that_a_map_cannot_take_are_refused_before_it_is_made(
    folder, monkeypatch, capsys, most, source, names, message
):
    for name in ("photos", "others"):
        Path(name).mkdir()
        render(sample_scenes(1, seed=8)[0]).save(f"{name}/{name[0]}.png")
    write_store("store", Embeddings(np.eye(3, dtype=np.float32), names=[f"{name}.png" for name in names]))
    monkeypatch.setattr(vectors, "MOST_IMAGES", most)
    monkeypatch.setattr("clipspace.search.maps.pca_map", lambda rows: pytest.fail("it was made"))
    assert run("map", "store", "-o", "placed.parquet", "--source", source, "--method", "pca") == 1
    assert message in capsys.readouterr().err


def test_images_are_read_when_the_map_is_made(folder, space, monkeypatch):
    Path("photos").mkdir()
    for i, scene in enumerate(sample_scenes(4, seed=8)):
        render(scene).save(f"photos/{i}.png")
    encode(space, "photos", "store")
    asked = []
    monkeypatch.setattr("clipspace.sources.read_named", lambda source, names, _: asked.append(len(names)) or [b""] * 4)
    monkeypatch.setattr("clipspace.search.maps.pca_map", lambda rows, make=pca_map: asked.append("made") or make(rows))
    assert run("map", "store", "-o", "placed.parquet", "--source", "photos", "--method", "pca") == 0
    assert asked == [1, "made", 4]


def test_rows_of_a_file_are_taken_as_those_of_the_space_asked_for(folder, space, apple, house, capsys):
    np.save("pictures.npy", space.encode_images([house, apple]).vectors)
    assert run("index", "pictures.npy", "-o", "index") == 0
    capsys.readouterr()
    assert run("search", "index", "--text", "a red apple", "-k", "1", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["row"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["map", "x.npy", "-o", "m", "--source", "."], "leave --source out"),
        (["map", "x.npy", "-o", "m", "--kind", "folder"], "expected it, got none"),
        (["pca", "none.npy", "-o", "p"], "none.npy"),
        (["pca", "empty.npy", "-o", "p"], "expected a .npy,"),
        (["pca", "x.npy", "-o", "x.npy"], "exists"),
        (["pca", "x.npy", "-o", "p", "--components", "129"], "n_components"),
        (["index", "x.npy", "-o", "taken"], "exists"),
        (["index", "x.npy", "-o", "i", "--memory", "lots"], "500M"),
        (["index", "x.npy", "-o", "i", "--memory", "1K"], "at least 0.1 MiB"),
        (["search", "taken", "--vectors", "x.npy"], "clipspace index"),
        (["search", "taken"], "one of --text, --image and --vectors, got none"),
        (["map", "x.npy", "-o", "m", "--method", "nonsense"], "'umap' or 'pca'"),
    ],
)
def test_errors_are_one_line_and_leave_nothing(folder, capsys, arguments, message):
    (folder / "taken").mkdir()
    (folder / "empty.npy").touch()
    before = sorted(folder.iterdir())
    assert run(*arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "none/index"], "make it first"),
        (["-o", "photos", "--overwrite"], "to replace an index"),
        pytest.param(
            ["-o", "locked/index"],
            "cannot be written",
            marks=pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere"),
        ),
    ],
)
def test_where_an_index_goes_is_checked_before_it_is_built(folder, monkeypatch, capsys, arguments, message):
    (folder / "photos").mkdir()
    (folder / "locked").mkdir(mode=0o500)
    monkeypatch.setattr("clipspace.search.build_index", lambda *a, **k: pytest.fail("it was built"))
    assert run("index", "x.npy", *arguments) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("text", "size"), [(None, None), ("512", 512), ("1.5k", 1536), ("4G", 2**32), ("2MiB", 2**21)])
def test_sizes(text, size):
    assert _bytes(text) == size


def test_what_is_no_size():
    with pytest.raises(InputError, match="4G"):
        _bytes("G4")


@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
def test_a_map_keeps_names_labels_and_columns_of_any_file(folder, suffix, capsys):
    x = np.load("x.npy")
    meta = pd.DataFrame({"file": [f"{i}.jpg" for i in range(300)], "kind": [f"k{i % 3}" for i in range(300)]})
    meta[::-1].to_csv("meta.csv", index=False)
    pd.DataFrame({"name": meta["file"], "vector": list(x), "year": range(300)}).to_parquet("x.parquet")
    meta["file"].to_csv("names.csv", index=False)
    names = ["--names", "names.csv"] if suffix == ".npy" else []
    labels = ["--labels", "meta.csv:kind"]
    assert run("map", f"x{suffix}", "-o", "map.parquet", "--method", "pca", *names, *labels) == 0
    placed = pd.read_parquet("map.parquet")
    assert placed["name"].tolist() == meta["file"].tolist()
    assert placed["kind"].tolist() == meta["kind"].tolist()
    assert ("year" in placed) == (suffix == ".parquet")
    assert run("index", f"x{suffix}", "-o", "index", *names) == 0
    capsys.readouterr()
    assert run("search", "index", "--vectors", "x.parquet", "-k", "1", "--json") == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == meta["file"].tolist()
    assert run("map", f"x{suffix}", "-o", "m.parquet", "--labels", "meta.csv:none") == 1
    assert "'file', 'kind'" in capsys.readouterr().err
