"""The commands of the image probes: each prints a table or JSON, and refuses what it cannot do."""

import json
from functools import partial

import pytest
from command_line import run as run_command
from PIL import Image

pytestmark = pytest.mark.filterwarnings("ignore:read-out")
FEW = ["--device", "cpu"]


run = partial(run_command, "probe")


@pytest.fixture
def files(tmp_path, apple, house, monkeypatch, loaded_once):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    apple.save("photos/apple.png")
    house.save("photos/house.png")
    return tmp_path


def test_retention_prints_a_table_and_json(capsys):
    arguments = [
        "retention",
        "--scenes",
        "120",
        "--pairs",
        "4",
        "--factor",
        "color",
        "--factor",
        "ground",
        "--no-perceptron",
        *FEW,
    ]
    assert run(*arguments) == 0
    assert capsys.readouterr().out.split()[:3] == ["embedding", "factor", "availability"]
    assert run(*arguments, "--json") == 0
    rows = json.loads(capsys.readouterr().out)["table"]
    assert {row["factor"] for row in rows if row["component"] == "linear" and row["layer"] == "code"} == {
        "color",
        "ground",
    }


def test_typographic_takes_scenes_images_and_rta_folders(files, apple, capsys):
    assert run("typographic", "--scenes", "6", *FEW) == 0
    assert ["blank", "image", "word", "share"] in [line.split()[:4] for line in capsys.readouterr().out.splitlines()]
    own = ["typographic", "photos/apple.png", "--label", "apple", "--word", "pizza", "--json", *FEW]
    assert run(*own) == 0
    assert json.loads(capsys.readouterr().out)["provenance"]["options"]["labels"] == ["apple", "pizza"]
    apple.save("photos/label=apple_text=pizza.png")
    assert run("typographic", "--rta", "photos", *FEW) == 0
    assert ["word", "image", "word", "share"] in [line.split()[:4] for line in capsys.readouterr().out.splitlines()]


def test_binding_scores_every_kind_or_a_file(files, capsys):
    assert run("binding", "-n", "4", "--json", *FEW) == 0
    rows = json.loads(capsys.readouterr().out)["table"]
    assert list(dict.fromkeys(row["kind"] for row in rows)) == ["color", "texture", "size", "relation"]
    row = {"filename": "apple.png", "caption": "an apple", "negative_caption": "a house"}
    (files / "swap.json").write_text(json.dumps([row]))
    assert run("binding", "--sugarcrepe", "swap.json", "--images", "photos", "--json", *FEW) == 0
    assert json.loads(capsys.readouterr().out)["table"][0]["value"] == 1


def test_binding_of_images_without_the_file_that_describes_them_is_refused(files, capsys):
    """Not answered with rendered examples, as if no images had been given."""
    assert run("binding", "--images", "photos", *FEW) == 1
    assert "--sugarcrepe" in capsys.readouterr().err


def test_blind_pairs_lists_and_draws(files, capsys):
    assert run("blind-pairs", "photos", "--same", "-0.9", "--different", "-0.99", "-o", "pairs.png", *FEW) == 0
    assert "blind_pairs" in capsys.readouterr().out
    assert not (files / "pairs.png").exists()
    assert run("blind-pairs", "photos", "--same", "0.5", "--different", "0.3", "--reverse", "-o", "p.png", *FEW) == 0
    assert Image.open("p.png").width > 200
    assert "photos/apple.png" in capsys.readouterr().out


def test_metamers_writes_a_picture(files, capsys):
    few = ["-n", "3", "--keep", "2", "--same", "-1", "--steps", "2", "--json", *FEW]
    assert run_command("metamers", "photos/apple.png", "-o", "m.png", *few) == 0
    assert json.loads(capsys.readouterr().out)["arrays"]["agreeing"] == 3
    assert Image.open("m.png").width > 200


def test_metamers_refuse_a_file_that_is_no_picture(files, capsys):
    assert run_command("metamers", "photos/apple.png", "-o", "m.txt") == 1
    error = capsys.readouterr().err
    assert ".gif" in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["retention", "--factor", "smell", "--scenes", "50"], "smell"),
        (["retention", "empty"], "expected images"),
        (["typographic", "--word", "pizza"], "expected images for the labels"),
        (["typographic", "photos", "--label", "apple"], "one label and one word"),
        (["binding", "--aro", "a.json", "--winoground", "b.jsonl"], "expected one file"),
        (["binding", "--aro", "a.json"], "not a file"),
        (["blind-pairs", "photos/apple.png"], "at least two"),
        (["blind-pairs", "photos", "-o", "photos"], "expected a file name"),
    ],
)
def test_bad_calls_are_one_line(files, capsys, arguments, message):
    (files / "empty").mkdir()
    assert run(*arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
