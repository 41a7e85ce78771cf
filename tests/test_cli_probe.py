"""The probe commands: arrays and folders in, a table or JSON out, errors in one line."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from command_line import run as run_command

from clipspace.scenes import Scene, Thing, render

run = partial(run_command, "probe")


@pytest.fixture
def arrays(tmp_path, monkeypatch, rng):
    """Vectors whose first coordinate decides the label, words and paired texts, as files."""
    monkeypatch.chdir(tmp_path)
    x = rng.normal(size=(120, 6)).astype(np.float32)
    np.save("x.npy", x)
    np.save("t.npy", x + 0.1 * rng.normal(size=(120, 6)).astype(np.float32))
    np.save("numbers.npy", x[:, 1])
    (tmp_path / "labels.txt").write_text("\n".join("ab"[int(v > 0)] for v in x[:, 0]))
    return tmp_path


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Red and blue things, in folders named by colour."""
    monkeypatch.chdir(tmp_path)
    for color in ("red", "blue"):
        (tmp_path / "pictures" / color).mkdir(parents=True)
        for kind in ("apple", "star", "house"):
            render(Scene("white", (Thing(kind, color),))).save(tmp_path / "pictures" / color / f"{kind}.png")
    (tmp_path / "words.txt").write_text(
        "\n".join(f"a {c} {k}" for c in ("red", "blue") for k in ("apple", "star", "house"))
    )
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "name", "least"),
    [
        (["linear", "x.npy", "--labels", "labels.txt", "--search", "binary"], "accuracy", 0.8),
        (["few-shot", "x.npy", "--labels", "labels.txt", "--shots", "16", "--draws", "3"], 16, 0.6),
        (["ridge", "x.npy", "--labels", "numbers.npy"], "label", 0.99),
        (["knn", "x.npy", "--labels", "labels.txt", "-k", "5"], "weighted", 0.6),
        (["geometry", "x.npy"], "effective rank", 4),
        (["modality-gap", "x.npy", "--texts", "t.npy"], "paired", 0.9),
        (["compare", "x.npy", "t.npy"], "linear CKA", 0.9),
        (["concepts", "x.npy", "--texts", "t.npy"], "cosine", 0.7),
        (["text-span", "x.npy", "--texts", "t.npy", "-k", "2"], None, 0),
    ],
)
def test_arrays_are_probed(arrays, capsys, arguments, name, least):
    assert run(*arguments, "--json") == 0
    plain = json.loads(capsys.readouterr().out)
    values = {key: row["value"] for row in reversed(plain["table"]) for key in (row[name] for name in plain["keys"])}
    assert (values[name] if name else len(values)) >= least
    assert run(*arguments) == 0
    assert plain["name"] in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:.* training rows in")
def test_folders_are_encoded_and_labelled_by_name(folder, capsys):
    where = ["pictures", "--template", "a {} thing", "--per-class", "--device", "cpu"]
    assert run("zero-shot", *where, "--json") == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["provenance"]["stamp"]["model"] == "mini"
    assert [row["label"] for row in plain["table"]][-2:] == ["blue", "red"]
    assert plain["table"][0]["value"] > 0.6
    assert run("linear", "pictures", "--before-projection", "--search", "binary", "--json") == 0
    assert json.loads(capsys.readouterr().out)["provenance"]["stamp"]["model"] == "mini before its projection"
    assert run("concepts", "pictures", "--texts", "words.txt", "--top", "2") == 0
    assert "blue/apple.png: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["knn", "x.npy"], "--labels"),
        (["linear", "x.npy", "--labels", "labels.txt", "--before-projection"], "folder of images"),
        (["knn", "x.npy", "--labels", "none.txt"], "not a file"),
        (["knn", "none", "--labels", "labels.txt"], "folder of images"),
        (["knn", ".", "--labels", "labels.txt"], "got none"),
        (["knn", "labels.txt", "--labels", "labels.txt"], "folder of images"),
        (["knn", "bad.npy", "--labels", "labels.txt"], "bad.npy"),
        (["knn", "t.npy", "--labels", "short.txt"], "120 labels"),
        (["ridge", "x.npy", "--labels", "labels.txt"], "expected numbers"),
        (["modality-gap", "x.npy", "--texts", "numbers.npy"], "(n, d)"),
        (["concepts", "x.npy", "--texts", "labels.txt"], "128 dimensions"),
    ],
)
def test_errors_are_one_line(arrays, capsys, arguments, message):
    (arrays / "bad.npy").write_bytes(b"not an array")
    (arrays / "short.txt").write_text("a\nb")
    assert run(*arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("clipspace: ")
    assert error.count("\n") == 1


def test_a_store_is_probed_by_its_columns(tmp_path, rng, capsys):
    from clipspace.points.embeddings import Embeddings, Stamp
    from clipspace.points.store import write_store

    vectors = rng.normal(size=(120, 6)).astype(np.float32)
    kinds = ["ab"[int(v > 0)] for v in vectors[:, 0]]
    points = Embeddings(vectors, Stamp("toy", "0" * 16, "0" * 16, 6), columns={"kind": kinds})
    write_store(tmp_path / "store", points)
    assert run("linear", str(tmp_path / "store"), "--labels", "kind", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert next(row["value"] for row in found["table"] if row["score"] == "accuracy") > 0.8
    assert run("linear", str(tmp_path / "store"), "--labels", "nonsense") == 1
    assert "'kind'" in capsys.readouterr().err


def test_no_metadata_but_names_and_labels_is_read(tmp_path, rng, monkeypatch):
    from clipspace.cli.chosen import Chosen
    from clipspace.cli.sets import labelled_at
    from clipspace.points.embeddings import Embeddings
    from clipspace.points.store import metadata, write_store

    columns = {"kind": ["a", "b"] * 4, "caption": ["long"] * 8}
    points = Embeddings(rng.normal(size=(8, 6)).astype(np.float32), names=list("abcdefgh"), columns=columns)
    write_store(tmp_path / "store", [points[:5], points[5:]])
    asked = set()
    read = metadata.read_table
    monkeypatch.setattr(metadata, "read_table", lambda path, columns=None: asked.add(columns) or read(path, columns))
    images, truth = labelled_at(tmp_path / "store", Path("kind"), Chosen())
    assert asked == {("kind",), ("image_path",)}
    assert np.array_equal(images.vectors, points.vectors)
    assert (images.names, images.stamp, images.modality) == (points.names, None, "image")
    assert truth.tolist() == columns["kind"]


def test_a_store_of_another_clip_is_not_scored(tmp_path, rng, capsys):
    from clipspace.points.embeddings import Embeddings, Stamp
    from clipspace.points.store import write_store

    points = Embeddings(rng.normal(size=(8, 128)).astype(np.float32), Stamp("other", "0" * 16, "0" * 16, 128))
    write_store(tmp_path / "store", Embeddings(points.vectors, points.stamp, columns={"kind": ["cat", "car"] * 4}))
    assert run("zero-shot", str(tmp_path / "store"), "--labels", "kind") == 1
    assert "other" in capsys.readouterr().err


def test_labels_of_images_are_matched_by_name(folder, capsys):
    """A shuffled table gives what the folders give; row by row it would give other labels."""
    assert run("knn", "pictures", "-k", "2", "--json") == 0
    expected = json.loads(capsys.readouterr().out)
    names = ["red/star.png", "blue/star.png", "blue/apple.png", "red/apple.png", "blue/house.png", "red/house.png"]
    rows = "\n".join(f"{name.split('/')[0]},{name}" for name in names)
    (folder / "meta.csv").write_text(f"color,name\n{rows}\n")
    assert run("knn", "pictures", "-k", "2", "--labels", "meta.csv:color", "--json") == 0
    assert json.loads(capsys.readouterr().out) == expected


def test_a_new_probe_of_points_and_labels_is_a_command(arrays, capsys, monkeypatch):
    """A function and a line of the list are enough: its options are those of its signature."""
    from clipspace import probes
    from clipspace.cli import labelled
    from clipspace.results.result import Result
    from clipspace.results.table import scored

    def majority(points, labels, *, least=1, seed=0):
        share = np.unique(labels, return_counts=True)[1].max() / len(points)
        return Result("majority", [scored(score="share", value=max(share, least / 100), n=len(points))])

    probe = probes.Probe(
        "majority", "How common is a label?", probes.LABELLED, "majority", {"least": "Least per cent."}
    )
    monkeypatch.setattr(labelled, "PROBES", (*probes.PROBES, probe))
    monkeypatch.setattr(probes, "majority", majority, raising=False)
    assert run("majority", "x.npy", "--labels", "labels.txt", "--least", "99", "--json") == 0
    assert json.loads(capsys.readouterr().out)["table"][0]["value"] == 0.99
    assert run("--help") == 0
    assert "How common is a label?" in capsys.readouterr().out


def test_text_vectors_and_their_words_take_the_place_of_a_model(arrays, capsys, monkeypatch):
    monkeypatch.setattr("clipspace.space.load_space", lambda *a, **k: pytest.fail("a model was loaded"))
    axes = np.eye(6, dtype=np.float32)
    np.save("words.npy", np.stack([axes[0], -axes[0], axes[1]]))
    (arrays / "words.txt").write_text("b\na\nother")
    texts = ["--texts", "words.npy", "--words", "words.txt"]
    assert run("zero-shot", "x.npy", "--labels", "labels.txt", *texts, "--json") == 0
    rows = json.loads(capsys.readouterr().out)["table"]
    assert rows[0]["value"] == 1.0
    assert run("concepts", "x.npy", *texts, "--json") == 0
    images = json.loads(capsys.readouterr().out)["images"]
    assert {word for image in images for word, _ in image["words"]} == {"a", "b", "other"}
    assert run("zero-shot", "x.npy", "--labels", "labels.txt", "--texts", "words.npy") == 1
    assert "name the vectors by their labels" in capsys.readouterr().err
    np.save("flat.npy", np.eye(5))
    assert run("concepts", "x.npy", "--texts", "flat.npy") == 1
    assert "expected vectors of 6 dimensions" in capsys.readouterr().err


def test_labels_of_vectors_are_matched_by_their_names(arrays, capsys):
    """A shuffled table gives what the ordered one gives, once the vectors have names."""
    labels = (arrays / "labels.txt").read_text().split("\n")
    (arrays / "names.txt").write_text("\n".join(f"{i}.jpg" for i in range(120)))
    rows = [f"{i}.jpg,{label}" for i, label in enumerate(labels)]
    (arrays / "meta.csv").write_text("\n".join(["file,kind", *rows[::-1]]))
    expected = run("knn", "x.npy", "--labels", "labels.txt", "--json"), capsys.readouterr().out
    command = ["knn", "x.npy", "--labels", "meta.csv:kind", "--names", "names.txt", "--json"]
    assert (run(*command), capsys.readouterr().out) == expected
