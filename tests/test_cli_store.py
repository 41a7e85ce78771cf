import json

import pytest
from PIL import Image
from test_cli import run


@pytest.fixture
def folder(tmp_path, monkeypatch, apple, house):
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
        (["encode", "in", "-o", "out", "--dtype", "int8"], "float16"),
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
