"""The catalogue against a cache of the hub that is laid out here, without a network."""

import shutil

import hub
import pytest
import tiny
import torch
from hub import BRANCH

from clipspace import load_space
from clipspace.errors import CheckpointError
from clipspace.models.catalogue import CATALOGUE, locate


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of the hub, and nothing downloaded."""
    return hub.use(tmp_path / "hub", monkeypatch)


def test_karlo_and_its_prior_are_read_from_the_repository_that_holds_both_as_safetensors(cache, tmp_path):
    clip = tiny.clip(tmp_path / "clip")
    tiny.karlo_with_prior(tmp_path / "karlo")
    hub.put(cache, tmp_path / "karlo", "kakaobrain/karlo-v1-alpha", BRANCH, "main")
    space = load_space(clip, decoder="karlo", prior="karlo", device="cpu")
    assert space.decoder.facts.name == space.prior_model.facts.name == "karlo"
    assert len(space.decode(space.prior("a cat", num_inference_steps=2), num_inference_steps=2)) == 1
    assert CATALOGUE["karlo"].describe()["missing"] == "CLIP"


def test_sd_image_variations_is_read_from_the_commit_that_holds_safetensors(cache, tmp_path):
    """Its branches hold .bin alone, so the commit is asked for whatever a branch points at; they load by their names."""
    clip = tiny.clip(tmp_path / "clip")
    tiny.image_variations(tmp_path / "made")
    repo, commit = "lambdalabs/sd-image-variations-diffusers", "17e2bedc1469eab4446e3e2c0219b9e868bf0473"
    hub.put(cache, tmp_path / "made", repo, commit)
    shutil.copytree(tmp_path / "made", tmp_path / "pickles")
    hub.only_pickles(tmp_path / "pickles")
    hub.put(cache, tmp_path / "pickles", repo, BRANCH, "main", "v2.0")
    space = load_space(clip, decoder="sd-image-variations", device="cpu")
    assert space.decoder.facts.name == "sd-image-variations"
    branch = load_space(clip, decoder=f"{repo}:v2.0", device="cpu")
    assert torch.equal(branch.decoder.unet.conv_in.weight, space.decoder.unet.conv_in.weight)


@pytest.mark.parametrize("revision", ["", ":v1", f":{BRANCH}", ":refs/pr/2"])
def test_a_revision_is_a_branch_a_tag_a_commit_or_a_request(cache, tmp_path, revision):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "model_index.json").write_text("{}")
    found = hub.put(cache, tmp_path / "made", "org/name", BRANCH, "main", "v1", "refs/pr/2")
    assert locate(f"org/name{revision}") == (found, None)
    assert locate(f"karlo@org/name{revision}") == (found, "karlo")


def test_the_prior_of_a_row_is_its_prior(cache, tmp_path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "model_index.json").write_text("{}")
    found = hub.put(cache, tmp_path / "made", "kandinsky-community/kandinsky-2-2-prior", BRANCH, "main")
    assert locate("kandinsky-2.2", "prior") == (found, "kandinsky-2.2")
    with pytest.raises(CheckpointError, match="'stable-unclip-l' has no prior"):
        locate("stable-unclip-l", "prior")


@pytest.mark.parametrize("part", ["decoder", "prior"])
def test_offline_the_error_names_what_helps_before_a_model_is_loaded(cache, monkeypatch, part):
    monkeypatch.setattr("clipspace.models.clip.load_encoder", lambda *given, **how: pytest.fail("a model was loaded"))
    with pytest.raises(CheckpointError) as raised:
        load_space("ViT-L-14/openai", **{part: "karlo"})
    said = str(raised.value)
    assert f"the {part} 'kakaobrain/karlo-v1-alpha' is not in the local cache" in said
    assert "unset HF_HUB_OFFLINE" in said
    assert f"{part}='/the/folder'" in said
    assert "local_files_only" not in said
    assert "name@" not in said
