"""``clipspace analyse`` and ``clipspace draw``: options of every analysis, what is refused, what is written."""

import json

import numpy as np
import pytest
from command_line import run

from clipspace.analyses import about, names, question
from clipspace.plot import VENUES
from clipspace.results.loading import load_result
from clipspace.scenes import render, sample_scenes
from clipspace.space.encoding import encode


@pytest.fixture(scope="module")
def few(quick_decoder):
    return ["--steps", "1", "--device", "cpu", "--decoder", str(quick_decoder)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images of twelve scenes, in a folder and in one below it."""
    path = tmp_path_factory.mktemp("images")
    (path / "more").mkdir()
    for i, scene in enumerate(sample_scenes(12, seed=61, layout="one")):
        render(scene).save(path / ("more" if i % 2 else ".") / f"{i:02d}.png")
    return path


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch, loaded_once):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")


def test_the_list_has_a_line_for_each_analysis(capsys):
    assert run("analyse", "--help") == 0
    shown = capsys.readouterr().out
    for name in names():
        (line,) = [line for line in shown.splitlines() if f" {name} " in line]
        assert question(name)[0] in line


@pytest.mark.parametrize("name", names())
def test_help_shows_every_option_with_what_it_means(name, capsys):
    assert run("analyse", name, "--help") == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for option, text in about(name).options.items():
        assert f"--{option.replace('_', '-')} " in shown
        assert text in shown
    for option in ("seed", "space", "decoder", "device", "output", "json", "overwrite"):
        assert f"--{option} " in shown
    assert ("--store " in shown) == (name != "binding")
    assert question(name)[1][0].split(".")[0] in shown


def test_folders_texts_and_lists_are_taken(folder, few, capsys):
    assert run("analyse", "guidance", str(folder / "more"), "--scales", "1", "--scales", "2", "--draws", "2", *few) == 0
    result = load_result("results/guidance.json")
    assert result.column("guidance scale") == [1, 2]
    assert result.arrays["images"].shape[1] == 6 * 2
    assert run("analyse", "prior-ablation", "a red apple", "a blue house", *few) == 0
    assert load_result("results/prior_ablation.json").labels["columns"] == ["a red apple", "a blue house"]
    assert "Mean cosine of the drawn image" in capsys.readouterr().out


def test_points_are_those_of_a_store_and_json_holds_the_numbers(space, folder, tmp_path, capsys):
    encode(space, folder, tmp_path / "store")
    assert run("analyse", "spectrum", "--store", "store", "-o", "out", "--json", "--device", "cpu") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["data"] == "Computed on 12 rows of store store (mini)."
    saved = load_result(facts["result"])
    assert facts["findings"] == list(saved.findings)
    np.testing.assert_equal([row["value"] for row in facts["table"]], saved.column("value"))


def test_rows_of_an_analysis_that_counts_its_images_are_that_many(folder, few):
    assert run("analyse", "decoder_agreement", str(folder), "-n", "3", *few) == 0
    assert len(load_result("results/decoder_agreement.json").arrays["images"]) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["guidance", "none.png"], "not a file"),
        (["guidance", "empty"], "got none in"),  # not the bundled scenes, as if nothing had been given
        (["spectrum", "--source", "photos"], "pass --store"),
        (["spectrum", "--space", "nonsense"], "nonsense"),
        (["spectrum", "-o", "photos/0.png"], "photos/0.png"),
    ],
)
def test_errors_are_one_line_and_nothing_is_written(arguments, message, tmp_path, apple, capsys):
    for name in ("photos", "empty"):
        (tmp_path / name).mkdir()
    apple.save("photos/0.png")
    before = sorted(tmp_path.rglob("*"))
    assert run("analyse", *arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("clipspace: ")
    assert error.count("\n") == 1
    assert [path for path in sorted(tmp_path.rglob("*")) if path.name != "results"] == before


def test_a_result_is_replaced_only_where_that_is_said(capsys):
    call = ["analyse", "spectrum", "--quick", "--device", "cpu"]
    assert run(*call) == 0
    assert load_result("results/spectrum.json").provenance.options["images"] == about("spectrum").quick["n"]
    assert run(*call) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert run(*call, "-n", "40", "--overwrite") == 0
    assert load_result("results/spectrum.json").provenance.options["images"] == 40


def test_a_saved_result_is_drawn_beside_its_data_or_elsewhere(tmp_path, capsys):
    run("analyse", "spectrum", "--quick", "--device", "cpu")
    capsys.readouterr()
    assert run("draw", "results/spectrum.json", "--venue", "cvpr", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "written": ["results/spectrum.pdf", "results/spectrum.png", "results/spectrum.md"]
    }
    (tmp_path / "paper").mkdir()
    assert run("draw", "results/spectrum.json", "-o", "paper") == 0
    assert sorted(p.suffix for p in (tmp_path / "paper").iterdir()) == [".csv", ".json", ".md", ".npz", ".pdf", ".png"]
    assert run("draw", "results/spectrum.json", "--venue", "nowhere") == 1
    assert run("draw", "missing.json") == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert "neurips" in errors[0]
    assert "missing.json" in errors[1]


def test_a_wrong_name_and_a_wrong_value_exit_with_2(capsys):
    assert run("analyse", "nonsense") == 2
    assert run("analyse", "variations", "--eta", "much") == 2
    assert run("analyse") == 2


def test_every_venue_is_named_in_the_help(capsys):
    run("draw", "--help")
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert all(venue in shown for venue in VENUES)
