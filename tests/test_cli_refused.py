"""Spaces that cannot be loaded or run: the command line says why, and what to do, in one line, and leaves nothing behind."""

import json
import shutil
from types import SimpleNamespace

import hub
import huggingface_hub
import pytest
import tiny
import torch
from command_line import run
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

DECODER = "kandinsky-community/kandinsky-2-2-decoder"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    tiny.clip(folder / "clip")
    tiny.clip(folder / "narrow", dim=16)
    tiny.kandinsky(folder / "kandinsky")
    tiny.kandinsky_prior(folder / "prior")
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch, apple):
    monkeypatch.chdir(tmp_path)
    apple.save("apple.png")
    return tmp_path


def refused(capsys, *arguments):
    """The one line in which a command refuses."""
    capsys.readouterr()
    device = [] if "--device" in arguments else ["--device", "cpu"]
    assert run(*arguments, *device) == 1
    said = capsys.readouterr()
    lines = [line for line in said.err.splitlines() if "Warning:" not in line]
    assert not said.out
    assert len(lines) == 1, lines
    assert lines[0].startswith("clipspace: ")
    return lines[0]


def _answer(error):
    return error("no\nentry", response=SimpleNamespace(headers={}, status_code=404, url="", request=None))


@pytest.mark.parametrize(
    ("error", "cure"),
    [
        (_answer(RepositoryNotFoundError), "check its name, log in if it is private"),
        (_answer(GatedRepoError), "accept its terms at https://huggingface.co/org/gone"),
        (_answer(RevisionNotFoundError), "check the revision"),
        (ConnectionError("no\nroute"), "try again"),
    ],
)
def test_a_repository_that_cannot_be_had(home, here, monkeypatch, capsys, error, cure):
    def asked(*_, **__):
        raise error

    cache = hub.use(here / "hub", monkeypatch)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(huggingface_hub, "model_info", asked)
    line = refused(capsys, "check", f"local-dir:{home / 'clip'}", "--decoder", "org/gone")
    assert cure in line
    assert "decoder='/the/folder'" in line
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_half_a_download(home, here, monkeypatch, capsys):
    cache = hub.use(here / "hub", monkeypatch)
    shutil.copytree(home / "kandinsky", here / "half")
    (here / "half/movq/diffusion_pytorch_model.safetensors").unlink()
    hub.put(cache, here / "half", DECODER, hub.BRANCH, "main")
    line = refused(capsys, "check", f"local-dir:{home / 'clip'}", "--decoder", DECODER)
    assert "lacks ['movq/" in line
    assert "unset HF_HUB_OFFLINE" in line


@pytest.mark.parametrize(
    ("options", "message", "cure"),
    [
        (["--variant", "int8"], "int8", "plain"),
        (["--decoder", "nowhere"], "nowhere", "a repository 'org/name'"),
        (["--prior", "{home}/kandinsky"], "expected a prior", "KandinskyV22PriorPipeline"),
        (["--decoder", "{home}/prior"], "KandinskyV22PriorPipeline", "expected one of"),
        (["--decoder", "{here}/other"], "FluxPipeline", "expected one of"),
        (["--space", "local-dir:{home}/narrow"], "the CLIP gives 16", "load it with"),
        (["--dtype", "int8"], "int8", "bfloat16"),
        (["--device", "abacus"], "abacus", "cpu"),
    ],
)
def test_a_space_that_does_not_fit(home, here, capsys, options, message, cure):
    (here / "other").mkdir()
    (here / "other/model_index.json").write_text(json.dumps({"_class_name": "FluxPipeline"}))
    options = [option.format(home=home, here=here) for option in options]
    usual = {"--space": f"local-dir:{home / 'clip'}", "--decoder": str(home / "kandinsky")}
    arguments = [word for flag, value in usual.items() if flag not in options for word in (flag, value)]
    capsys.readouterr()
    line = refused(capsys, "encode", str(here), "-o", "store", *arguments, *options)
    assert message in line
    assert cure in line
    assert not (here / "store").exists()


STAGES = {
    "clipspace.models.clip.load_encoder": (["encode", ".", "-o", "store"], "prior=False"),
    "clipspace.models.encoder.NetworkEncoder._encode": (
        ["invert", "apple.png", "-o", "code.safetensors"],
        "batch_size",
    ),
    "clipspace.models.diffusion_decoder.DiffusionDecoder.invert": (["invert", "apple.png", "-o", "c"], "batch_size"),
    "clipspace.models.diffusion_decoder.DiffusionDecoder.draw": (["vary", "a red apple", "-o", "v.png"], "batch_size"),
    "clipspace.models.diffusion_decoder.DiffusionDecoder.to_images": (
        ["vary", "a red apple", "-o", "v.png"],
        "batch_size",
    ),
    "clipspace.models.contract.Prior.draw": (["vary", "a red apple", "-o", "v.png"], "batch_size"),
}


@pytest.mark.parametrize("stage", STAGES)
def test_memory_that_runs_out_at_any_stage(quick, here, monkeypatch, capsys, stage):
    def fails(*_, **__):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory\nTried to allocate")

    command, cure = STAGES[stage]
    if not stage.endswith("load_encoder"):
        monkeypatch.setattr("clipspace.space.load_space", lambda *_, **__: quick)
    monkeypatch.setattr(stage, fails)
    line = refused(capsys, *command, *(["--steps", "2"] if command[0] == "vary" else []))
    assert "out of memory" in line
    assert cure in line
    assert sorted(path.name for path in here.iterdir()) == ["apple.png"]
