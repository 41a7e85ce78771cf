import json
import subprocess
import sys
import warnings
from importlib.metadata import version

import pytest
import torch
import typer
from command_line import run
from PIL import Image

from clipspace import cli, space
from clipspace.analyses import about, names
from clipspace.sources.images import psnr, read_image


@pytest.fixture
def files(tmp_path, apple, house, monkeypatch, loaded_once):
    monkeypatch.chdir(tmp_path)
    apple.save("apple.png")
    house.save("house.png")
    return tmp_path


def _options(command, path, context=None):
    """(command, option, help text) of every option and argument of a command and of the commands below it."""
    context = typer.Context(command, parent=context, info_name=path)
    if isinstance(command, typer.core.TyperGroup):
        for name in command.list_commands(context):
            yield from _options(command.get_command(context, name), f"{path} {name}", context)
    else:
        yield from ((path, option.opts[0], option.help) for option in command.params)


def test_every_option_has_a_help_text_of_four_words():
    options = list(_options(typer.main.get_command(cli.app), "clipspace"))
    assert {"clipspace pca", "clipspace probe knn", "clipspace analyse map"} <= {command for command, *_ in options}
    assert [row for row in options if len((row[2] or "").split()) < 4] == []


def test_spaces_lists_mini_as_local(capsys):
    assert run("spaces", "--json") == 0
    assert json.loads(capsys.readouterr().out)["mini"]["local"] == "yes"


def test_spaces_lists_every_decoder_that_there_is(capsys):
    from clipspace.models.decoders import DECODERS

    assert run("spaces", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed.keys() == DECODERS.keys() | {"gradient"}
    for name, facts in DECODERS.items():
        assert (listed[name]["dimension"], listed[name]["licence"]) == (facts.dim, facts.licence)
    assert run("spaces") == 0
    text = capsys.readouterr().out
    assert "decoder='dalle2-pytorch@THE/FOLDER'" in text
    assert "decoder='gradient'" in text


def test_interpolate_writes_a_picture_and_reports(files, quick_decoder, capsys):
    assert (
        run(
            "interpolate",
            "apple.png",
            "house.png",
            "-o",
            "a.png",
            "--steps",
            "20",
            "--frames",
            "3",
            "--decoder",
            str(quick_decoder),
            "--json",
        )
        == 0
    )
    facts = json.loads(capsys.readouterr().out)
    assert facts["provenance"]["options"]["frames"] == 3
    assert Image.open("a.png").width > 300


def test_interpolate_writes_an_animation_there_and_back(files, quick_decoder):
    few = ["--steps", "2", "--noise", "fixed", "--spacing", "angle", "--decoder", str(quick_decoder)]
    assert run("interpolate", "apple.png", "house.png", "-o", "a.gif", "--frames", "4", "--ping-pong", *few) == 0
    assert Image.open("a.gif").n_frames == 6


@pytest.mark.usefixtures("coarse")
def test_text_diff_and_vary(files, quick_decoder):
    how = ["--steps", "4", "--decoder", str(quick_decoder)]
    assert run("text-diff", "apple.png", "a red apple", "a blue apple", "-o", "t.gif", *how) == 0
    assert Image.open("t.gif").n_frames > 1
    assert run("vary", "a red apple", "-n", "2", "-o", "v.png", *how, "--device", "cpu") == 0


def test_invert_then_decode_gives_the_image_back(files, quick_decoder):
    how = ["--decoder", str(quick_decoder)]
    assert run("invert", "apple.png", "-o", "c.safetensors", "--steps", "20", *how) == 0
    assert run("decode", "c.safetensors", "-o", "again.png", *how) == 0
    assert psnr(read_image("again.png"), read_image("apple.png")) > 35
    assert run("invert", "apple.png", "house.png", "-o", "two.safetensors", "--steps", "2", *how) == 0
    assert run("decode", "two.safetensors", "-o", "two", *how) == 0
    assert sorted(p.name for p in (files / "two").iterdir()) == ["0000.png", "0001.png"]


@pytest.mark.usefixtures("coarse")
def test_a_code_is_decoded_in_the_precision_that_it_was_found_in(files, quick_decoder, monkeypatch):
    decoder, loaded = ["--decoder", str(quick_decoder)], []
    assert run("invert", "apple.png", "-o", "c.safetensors", "--steps", "3", "--dtype", "float64", *decoder) == 0
    original = space.load_space
    monkeypatch.setattr(space, "load_space", lambda *a, **k: loaded.append(original(*a, **k)) or loaded[0])
    assert run("decode", "c.safetensors", "-o", "again.png", *decoder) == 0
    assert loaded[0].encoder.dtype == torch.float64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["vary", "missing.png", "-o", "x.png"], "no such file"),
        (["vary", "apple.png", "-o", "apple.png"], "exists"),
        (["vary", "apple.png", "-o", "none/x.png"], "make it first"),
        (["vary", "apple.png", "-o", "x.txt"], ".gif"),
        (["vary", "apple.png", "-o", "x.png", "-n", "-2"], "at least 1"),
        (["vary", "apple.png", "-o", "x.png", "--steps", "-5"], "num_inference_steps"),
        (["vary", "apple.png", "-o", "x.png", "--space", "nonsense"], "nonsense"),
        (["decode", "apple.png", "-o", "x.png"], "clipspace invert"),
        (["demo", "nowhere.png"], "nowhere.png"),
        (["report", "--source", "nowhere"], "pass --store"),
    ],
)
def test_errors_are_one_line_without_a_traceback(files, capsys, arguments, message):
    before = sorted(p.name for p in files.iterdir())
    assert run(*arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("clipspace: ")
    assert error.count("\n") == 1
    assert sorted(p.name for p in files.iterdir()) == before


def test_a_warning_is_one_line_and_debug_shows_where(monkeypatch):
    shown = []
    monkeypatch.setattr(cli, "app", lambda args: shown.append(warnings.formatwarning("odd", UserWarning, "f.py", 3)))
    before = warnings.formatwarning
    cli.main([])
    cli.main(["--debug"])
    assert shown[0] == "UserWarning: odd\n"
    assert shown[1].startswith("f.py:3: UserWarning: odd\n")
    assert warnings.formatwarning is before


def test_debug_shows_the_traceback(files):
    with pytest.raises(cli.ClipspaceError):
        run("vary", "missing.png", "-o", "x.png", "--debug")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(13, "Permission denied", "there/a.npy"), "'there/a.npy': Permission denied"),
        (OSError("no\nroute to host"), "no route to host"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_an_error_of_the_system_is_one_line_too(monkeypatch, capsys, error, message):
    def fails(args):
        raise error

    monkeypatch.setattr(cli, "app", fails)
    assert run("spaces") == 1
    assert capsys.readouterr().err == f"clipspace: could not read or write {message}; --debug shows where\n"
    with pytest.raises(type(error)):
        run("spaces", "--debug")


def test_a_wrong_call_exits_with_2(files):
    assert run("vary") == 2
    assert run("nonsense") == 2


def test_the_version_is_that_of_the_package(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"clipspace {version('clipspace')}\n"


def test_the_installed_command_answers():
    done = subprocess.run([sys.executable, "-m", "clipspace.cli", "--help"], capture_output=True, text=True, check=True)
    for command in (
        "demo",
        "report",
        "analyse",
        "draw",
        "spaces",
        "interpolate",
        "text-diff",
        "vary",
        "invert",
        "decode",
        "pca",
        "index",
        "search",
        "map",
    ):
        assert command in done.stdout


def test_demo_writes_the_manipulations_on_one_page(files, capsys, monkeypatch):
    from clipspace.report import building

    asked = {}
    monkeypatch.setattr(building, "write_report", lambda folder, images, **options: asked.update(options) or folder)
    assert run("demo", "apple.png", "house.png", "-o", "out") == 0
    assert asked["only"] == [name for name in names() if about(name).demo]
    assert len(asked["only"]) == 7
    assert asked["explore"] is False
