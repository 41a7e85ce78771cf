"""Loading: without a prior, what is refused before a CLIP is loaded, and what is said where memory runs out."""

import json

import hub
import pytest
import tiny
import torch

from clipspace import load_space
from clipspace.errors import CapabilityError, CheckpointError, InputError, OutOfMemoryError, SpaceMismatchError
from clipspace.models import clip, folders
from clipspace.models.catalogue import CATALOGUE


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    tiny.clip(folder / "clip")
    tiny.kandinsky(folder / "kandinsky")
    return folder


def _load(home, **options):
    return load_space(f"local-dir:{home / 'clip'}", decoder=home / "kandinsky", device="cpu", **options)


@pytest.fixture
def no_encoder(monkeypatch):
    monkeypatch.setattr(clip, "load_encoder", lambda *args, **options: pytest.fail("a CLIP was loaded"))


def test_without_its_prior_a_space_needs_no_files_of_one(tmp_path, monkeypatch):
    hub.use(tmp_path / "hub", monkeypatch)
    hub.put_clips(tmp_path / "hub", tmp_path / "clips", monkeypatch)
    hub.put_all(tmp_path / "hub", tmp_path, ["kandinsky-community/kandinsky-2-2-decoder"])
    with pytest.raises(
        CheckpointError, match="the prior 'kandinsky-community/kandinsky-2-2-prior' is not in the local"
    ):
        load_space("kandinsky-2.2", device="cpu")
    space = load_space("kandinsky-2.2", prior=False, device="cpu")
    assert space.prior_model is None
    with pytest.raises(CapabilityError, match="no prior"):
        space.prior("a cat")
    assert CATALOGUE["kandinsky-2.2"].missing() == ["prior"]


def test_the_mini_space_loads_without_its_prior():
    assert load_space(prior=False, device="cpu").prior_model is None


def test_true_is_no_prior(no_encoder):
    with pytest.raises(
        InputError, match="expected prior as a folder, a repository, False or a pipeline of diffusers, got True"
    ):
        load_space(prior=True)


def test_a_decoder_of_another_clip_is_refused_before_the_clip_is_loaded(home, no_encoder):
    with pytest.raises(SpaceMismatchError, match=r"trained for ViT-bigG-14/.*got 'ViT-B-32/openai'; load the CLIP"):
        load_space("ViT-B-32/openai", decoder=home / "kandinsky")


def test_the_error_of_a_broken_part_is_one_line(home, tmp_path):
    tiny.kandinsky(tmp_path / "k")
    path = tmp_path / "k/unet/config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"block_out_channels": [32]}))
    with pytest.raises(CheckpointError, match="could not read 'unet'") as raised:
        load_space(f"local-dir:{home / 'clip'}", decoder=tmp_path / "k", device="cpu")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("error", [torch.cuda.OutOfMemoryError("CUDA out of memory"), MemoryError()])
@pytest.mark.parametrize("stage", ["encoder", "read", "moved"])
def test_memory_that_runs_out_is_named_at_every_stage(home, monkeypatch, error, stage):
    def fails(*args, **options):
        raise error

    if stage == "encoder":
        monkeypatch.setattr("open_clip.create_model_from_pretrained", fails)
    elif stage == "read":
        monkeypatch.setattr("diffusers.UNet2DConditionModel.from_pretrained", fails)
    else:
        pytest.importorskip("accelerate")
        monkeypatch.setattr(folders, "offloaded", fails)
    with pytest.raises(OutOfMemoryError, match=r"load_space\(.*out of memory; load with dtype='bfloat16', prior=False"):
        _load(home, offload=stage == "moved")
