"""The options of loading a space: every command that loads one takes the whole set, and each option arrives."""

import re
from collections.abc import Iterator

import click
import numpy as np
import pytest
import torch
import typer
from command_line import run

from clipspace import cli
from clipspace.cli.chosen import OPTIONS, Chosen
from clipspace.points.code import Code, save_code
from clipspace.sources.images import read_image

FLAGS = {f"--{name}" for name in OPTIONS}


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if hasattr(command, "list_commands"):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


ALL = dict(commands(typer.main.get_command(cli.app)))
NAMING = "export"
"""Its --space is asked for its stamp alone, so it has no options of decoding."""
LOADING = [n for n, command in ALL.items() if n != NAMING and any("--space" in p.opts for p in command.params)]


def test_the_commands_that_load_a_space_are_those_known():
    assert {"invert", "decode", "encode", "report", "demo", "search", "select", "probe knn", "analyse map"} <= set(
        LOADING
    )
    assert set(ALL) - set(LOADING) <= {
        "spaces",
        "draw",
        "pca",
        "index",
        "map",
        "store",
        "merge",
        "erase",
        "export-factors",
        "explore",
        "duplicates",
        "train-decoder",
        "train-prior",
        NAMING,
    }


@pytest.mark.parametrize("name", LOADING)
def test_a_command_that_loads_a_space_has_the_whole_set(name):
    flags = [flag for parameter in ALL[name].params for flag in parameter.opts]
    assert set(flags) >= FLAGS
    assert len(flags) == len(set(flags))  # no option means two things


@pytest.mark.parametrize("name", ALL)
def test_every_option_says_what_it_does_in_four_words_or_more(name):
    for parameter in ALL[name].params:
        text = getattr(parameter, "help", None) or ""
        assert len(re.findall(r"\w+", text)) >= 4, (name, parameter.opts)


class StoppedError(Exception):
    """What was asked of `load_space` is known, and nothing else is run."""


@pytest.mark.parametrize("name", ["vary a.png -o b.png", "analyse spectrum", "report", "probe geometry folder"])
def test_every_option_of_loading_arrives(name, monkeypatch, tmp_path, apple):
    from clipspace.report import building

    asked = {}

    def load(place, **options):
        asked.update(options, space=place)
        raise StoppedError

    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for path in ("a.png", "folder/a.png"):
        apple.save(path)
    monkeypatch.setattr("clipspace.space.load_space", load)
    monkeypatch.setattr(building, "load_space", load)
    how = "--space karlo --encoder image_encoder --decoder a --prior none --variant fp16 --dtype bfloat16 --device cpu --offload"
    with pytest.raises(StoppedError):
        run(*name.split(), *how.split())
    expected = {
        "space": "karlo",
        "encoder": "image_encoder",
        "decoder": "a",
        "prior": False,
        "variant": "fp16",
        "dtype": "bfloat16",
    }
    assert asked == expected | {"device": "cpu", "offload": True}


def test_what_is_chosen_is_what_is_loaded(space):
    chosen = Chosen(dtype="bfloat16", prior="none", device="cpu", steps=7, guidance=2.5).load()
    assert (space.encoder.dtype, chosen.encoder.dtype) == (torch.float32, torch.bfloat16)
    assert space.prior_model is not None
    assert chosen.prior_model is None
    assert (space.num_inference_steps, space.guidance_scale, space.inversion_guidance_scale) == (50, 1, 1)
    assert (chosen.num_inference_steps, chosen.guidance_scale, chosen.inversion_guidance_scale) == (7, 2.5, 2.5)


def test_a_code_is_decoded_as_it_was_found(space, tmp_path, monkeypatch, apple, capsys):
    monkeypatch.chdir(tmp_path)
    points, noise = space.encode_images(apple), space.noise(1)
    code = Code(points, noise, 4, 1.5, np.zeros(1), np.zeros(1), None)
    save_code(code, tmp_path / "code.safetensors")
    for wrong in (["--steps", "10"], ["--guidance", "1"]):
        capsys.readouterr()
        assert run("decode", "code.safetensors", "-o", "again.png", *wrong) == 1
        assert f"expected {wrong[0]}" in capsys.readouterr().err
    assert run("decode", "code.safetensors", "-o", "again.png", "--steps", "4", "--guidance", "1.5") == 0
    (drawn,) = space.decode(points, noise=noise, num_inference_steps=4, guidance_scale=1.5)
    assert read_image("again.png").tobytes() == drawn.tobytes()
