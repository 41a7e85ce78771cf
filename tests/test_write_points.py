"""Points written for other programs: what is read back is what was written, by us and by the formats' own readers."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from command_line import run
from pyarrow import parquet

from clipspace import open_store
from clipspace.errors import CapabilityError, InputError
from clipspace.points.embeddings import Embeddings, Stamp
from clipspace.points.interchange import limits, open_points, write_points
from clipspace.points.store import write_store

STAMP = Stamp("toy", "0" * 16, "1" * 16, 6)


@pytest.fixture
def points(rng, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    vectors = rng.normal(size=(10_000, 6)).astype(np.float16)
    kinds = [None if i % 7 == 0 else "ab"[i % 2] for i in range(10_000)]
    names = [f"{i}.jpg" for i in range(10_000)]
    return Embeddings(vectors, STAMP, "text", names, {"kind": kinds, "year": np.arange(10_000)})


@pytest.mark.parametrize("path", ["x.parquet", "x.arrow"])
def test_what_is_written_is_read_back(points, path):
    write_points(path, points)
    read = open_points(path)
    assert (read.stamp, read.modality, read.dtype) == (STAMP, "text", np.float16)
    assert np.array_equal(read[:].vectors, points.vectors)
    assert tuple(read.names) == points.names
    assert read.columns["kind"] == points.columns["kind"]
    assert np.allclose(read.columns["text_norm"], points.norm)
    write_points("again.parquet", read)
    assert open_points("again.parquet").columns["text_norm"] == read.columns["text_norm"]


def test_others_read_it(points):
    write_points("x.parquet", points)
    frame = pd.read_parquet("x.parquet")
    assert np.array_equal(np.stack(frame["vector"]), points.vectors)
    assert frame["year"].tolist() == list(range(10_000))
    schema = parquet.read_schema("x.parquet")
    assert schema.field("vector").type == pa.list_(pa.float16(), 6)
    assert json.loads(schema.metadata[b"clipspace.points"])["stamp"]["weights"] == STAMP.weights
    write_points("x.arrow", points)
    with pa.memory_map("x.arrow") as file:
        assert pa.ipc.open_stream(file).read_all().column("name").to_pylist() == list(points.names)


def test_norms_are_those_of_the_encoder_or_none(points):
    unit = points.with_vectors(points.unit)
    write_points("unit.parquet", unit)
    assert "text_norm" not in parquet.read_schema("unit.parquet").names
    assert "norms=" in " ".join(limits(open_points("unit.parquet")))
    write_points("known.parquet", open_points(unit, norms=points.norm))
    assert np.allclose(open_points("known.parquet").columns["text_norm"], points.norm)
    assert limits(open_points("known.parquet")) == ()


def test_a_store_is_written_and_keeps_its_norms(points):
    store = write_store("store", points, normalized=True)
    write_points("x.parquet", store)
    assert np.allclose(open_points("x.parquet").columns["text_norm"], points.norm, rtol=1e-3)


@pytest.mark.parametrize(
    ("path", "change", "message"),
    [
        ("x.csv", {}, "ends in one of"),
        ("there.parquet", {}, "exists"),
        ("none/x.parquet", {}, "make it first"),
        ("x.parquet", {"columns": {"vector": range(4)}}, "which are its own"),
        ("x.parquet", {"columns": {"mixed": [1, "a", None, []]}}, "expected values of one type in 'mixed'"),
        ("x.parquet", {"vectors": np.full((4, 6), np.nan)}, "row 0"),
    ],
)
def test_what_cannot_be_written_is_refused_and_leaves_nothing(points, tmp_path, path, change, message):
    (tmp_path / "there.parquet").touch()
    few = Embeddings(**{"vectors": points.vectors[:4], **change})
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=message):
        write_points(path, few)
    assert sorted(tmp_path.iterdir()) == before


def test_lance_is_asked_for_before_work(points, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "lance", None)
    with pytest.raises(CapabilityError, match="pip install pylance"):
        write_points("x.lance", points)


def test_the_command_writes_tables_and_stores_and_says_what_lacks(points, capsys):
    np.save("x.npy", points.vectors)
    pd.DataFrame({"file": points.names, "kind": points.columns["kind"]}).to_csv("meta.csv", index=False)
    beside = ["--names", "meta.csv:file", "--labels", "meta.csv:kind", "--modality", "text"]
    assert run("export", "x.npy", "-o", "x.parquet", *beside, "--json") == 0
    assert "--space" in " ".join(json.loads(capsys.readouterr().out)["limits"])
    read = open_points("x.parquet")
    assert (read.modality, read[3].names, read[3].columns["kind"]) == ("text", ("3.jpg",), ["b"])
    assert run("export", "x.parquet", "-o", "store") == 0
    store = open_store("store", modality="text")
    assert np.array_equal(store[:].vectors, points.vectors.astype(np.float32))
    assert tuple(store.names) == points.names
    assert run("export", "x.npy", "-o", "x.parquet") == 1
    assert "exists" in capsys.readouterr().err
