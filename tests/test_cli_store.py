import json

import numpy as np
import pytest
from PIL import Image
from test_cli import run

from clipspace.points.embeddings import Embeddings
from clipspace.points.store import open_store, select, write_store


@pytest.fixture
def folder(tmp_path, monkeypatch, apple, house, loaded_once):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    apple.save("in/apple.png")
    house.save("in/house.png")
    (tmp_path / "in/broken.png").write_bytes(b"")
    (tmp_path / "in/readme.md").write_text("")
    return tmp_path


def test_encode_then_look(folder, capsys):
    assert run("encode", "in", "-o", "out", "--device", "cpu") == 0
    said = capsys.readouterr().out
    assert "2 of 3 images" in said
    assert "1 empty" in said
    assert "1 other files (no images)" in said
    assert run("encode", "in", "-o", "out", "--device", "cpu", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["encoded_now"], facts["stored"], facts["rejected"]) == (0, 2, {"empty": 1})
    assert run("store", "out", "--verify", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["rows"], facts["normalized"], facts["stamp"]["model"], facts["rejected"]) == (2, False, "mini", 1)


def test_what_may_be_readable_later_is_tried_again(folder, capsys):
    (folder / "in/gone.png").symlink_to(folder / "gone.png")
    assert run("encode", "in", "-o", "out", "--device", "cpu") == 0
    assert "--retry-rejected" in capsys.readouterr().out
    (folder / "in/apple.png").rename(folder / "gone.png")
    (folder / "in/apple.png").symlink_to(folder / "gone.png")
    assert run("encode", "in", "-o", "out2", "--device", "cpu") == 0
    assert "--retry-rejected" not in capsys.readouterr().out


def test_shares_say_what_is_missing_then_merge(folder, capsys):
    for share in ("0/2", "1/2"):
        assert run("encode", "in", "-o", "out", "--shard", share, "--rows-per-shard", "1", "--device", "cpu") == 0
    said = capsys.readouterr().out
    assert said.count("unfinished") == 1
    assert run("merge", "out", "out", "-o", "twice") == 0
    assert "4 x 128" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["encode", "missing", "-o", "out"], "not there"),
        (["encode", "in", "-o", "in"], "empty folder"),
        (["encode", "in", "-o", "out", "--shard", "1"], "0/4"),
        (["encode", "in", "-o", "out", "--shard", "4/4"], "0 <= i < n"),
        (["encode", "in", "-o", "out", "--kind", "zip"], "'zip'"),
        (["encode", "in", "-o", "out", "--kind", "list"], "file of paths"),
        (["encode", "in", "-o", "out", "--image-column", "x"], "image_column"),
        (["encode", "nosuch://bucket/x", "-o", "out"], "could not be reached"),
        (["encode", "in", "-o", "out", "--store-dtype", "int8"], "float16"),
        (["encode", "in", "-o", "out", "--batch-size", "0"], "at least 1"),
        (["encode", "in", "-o", "out", "--space", "nonsense"], "nonsense"),
        (["store", "in"], "clipspace encode"),
        (["merge", "in", "-o", "out"], "clipspace encode"),
    ],
)
def test_errors_are_one_line_and_write_nothing(folder, capsys, arguments, message):
    assert run(*arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (folder / "out").exists()


def test_an_input_of_bad_images_alone_fails(folder, capsys):
    (folder / "bad").mkdir()
    (folder / "bad/a.png").write_text("words")
    assert run("encode", "bad", "-o", "out", "--device", "cpu") == 1
    captured = capsys.readouterr()
    assert "1 not an image" in captured.out
    assert "at least one image" in captured.err
    Image.new("RGB", (9, 9)).save(folder / "bad/b.png")
    assert run("encode", "bad", "-o", "out", "--device", "cpu") == 1
    assert "another input" in capsys.readouterr().err


@pytest.fixture
def labelled(folder, rng):
    vectors = rng.normal(size=(6, 8)).astype(np.float32)
    columns = {"label": list("aabbab"), "size": [1, 2, 3, 4, 5, 6]}
    return write_store("s", Embeddings(vectors, names=list("uvwxyz"), columns=columns))


def test_rows_that_meet_conditions_become_a_store(labelled, capsys):
    assert run("select", "s", "--where", "label == a", "--where", "size >= 2", "-o", "some") == 0
    assert "2 x 8" in capsys.readouterr().out
    chosen = open_store("some")
    assert chosen.names == ["v", "y"]
    assert np.array_equal(chosen[:].vectors, labelled[[1, 4]].vectors)
    assert chosen.columns["size"] == [2, 5]


def test_rows_near_a_text_become_a_store(folder, space, apple, house, capsys):
    write_store("s", space.encode_images([house, apple, house]))
    assert run("select", "s", "--text", "a red apple", "-k", "1", "-o", "one", "--device", "cpu", "--json") == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 1
    expected = select(open_store("s"), near=space.encode_texts("a red apple"), k=1)
    chosen = open_store("one")
    assert np.array_equal(chosen[:].vectors, expected.embeddings.vectors)
    assert np.allclose(chosen.columns["score"], expected.scores, atol=1e-5)
    assert run("select", "s", "--image", "in/apple.png", "--where", "score > 0.99", "-o", "two", "--device", "cpu") == 0
    assert len(open_store("two")) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--where"),
        (["--where", "label"], "an operator"),
        (["--where", "colour == red"], "'colour'"),
        (["--where", "size > large"], "'large'"),
        (["--where", "score > 0.1"], "'score'"),
        (["--where", "label == c"], "empty selection"),
        (["--where", "label == a", "-k", "2"], "scores"),
    ],
)
def test_a_selection_that_cannot_be_made_says_why(labelled, arguments, message, capsys):
    assert run("select", "s", *arguments, "-o", "new") == 1
    assert message in capsys.readouterr().err
