"""The command `erase`: what it writes is what the library gives, in both formats, and what it cannot do it says at once."""

import json

import numpy as np
import pytest
from test_cli import run

from clipspace.points.embeddings import Embeddings
from clipspace.points.store import open_store, write_store
from clipspace.probes import erase, load_eraser


@pytest.fixture
def folder(tmp_path, monkeypatch, rng):
    """400 vectors, a table of a label that they tell linearly, and a store of both."""
    monkeypatch.chdir(tmp_path)
    x = rng.normal(size=(400, 16)).astype("f4")
    kinds = np.where(x[:, 0] > 0, "cat", "dog").tolist()
    np.save("x.npy", x)
    (tmp_path / "meta.csv").write_text(
        "kind,size\n" + "".join(f"{k},{v:.3f}\n" for k, v in zip(kinds, x[:, 1], strict=True))
    )
    write_store("store", Embeddings(x, names=[f"n{i}" for i in range(400)], columns={"kind": kinds}))
    return tmp_path


def test_vectors_lose_a_column_of_a_table(folder, capsys):
    assert (
        run("erase", "x.npy", "--labels", "meta.csv:kind", "-o", "out.npy", "--eraser", "map.safetensors", "--json")
        == 0
    )
    printed = json.loads(capsys.readouterr().out)
    assert printed["dimensions"] == 1
    skills = {(row["points"], row["component"]): row["value"] for row in printed["table"]}
    assert skills["given", "linear"] > 0.8
    assert skills["erased", "linear"] < 0.02
    x, kinds = np.load("x.npy"), np.where(np.load("x.npy")[:, 0] > 0, "cat", "dog").tolist()
    np.testing.assert_array_equal(np.load("out.npy"), erase(x, kinds).vectors)
    np.testing.assert_array_equal(load_eraser("map.safetensors").apply(x).vectors, np.load("out.npy"))


def test_a_store_becomes_a_store_of_the_same_names(folder, capsys):
    assert run("erase", "store", "--labels", "kind", "-o", "out") == 0
    assert "1 of 16 dimensions removed from 400 rows" in capsys.readouterr().out
    written, given = open_store("out"), open_store("store")
    assert list(written.names) == list(given.names)
    np.testing.assert_allclose(written[:].vectors, erase(given, "kind").vectors, atol=1e-6)


def test_amounts_are_erased_and_so_are_raw_vectors(folder, capsys):
    assert run("erase", "x.npy", "--labels", "meta.csv:size", "--amounts", "--raw", "-o", "out.npy") == 0
    erased, size = np.load("out.npy").astype(float), np.load("x.npy")[:, 1].astype(float).round(3)
    assert np.abs((size - size.mean()) @ erased / len(size)).max() < 1e-6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x.npy", "--labels", "meta.csv:kind", "-o", "x.npy"], "exists"),
        (["x.npy", "--labels", "meta.csv:kind", "-o", "store"], "exists"),
        (["x.npy", "--labels", "meta.csv:kind", "-o", "none/out"], "make it first"),
        (["x.npy", "--labels", "meta.csv:kind", "--amounts", "-o", "out.npy"], "expected numbers"),
        (["x.npy", "-o", "out.npy"], "--labels"),
        (["x.npy", "--labels", "meta.csv:none", "-o", "out.npy"], "none"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(folder, capsys, arguments, message):
    before = sorted(folder.iterdir())
    assert run("erase", *arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert sorted(folder.iterdir()) == before
