import pytest

from clipspace.errors import CheckpointError
from clipspace.models.catalogue import CATALOGUE, MINI, dimension_of
from clipspace.models.listed import check_listed
from clipspace.space import load_space


@pytest.mark.parametrize(
    ("model", "tag", "message"),
    [
        ("ViT-L14", "openai", "'ViT-L-14'"),
        ("ViT-B-32", "nonsense", "'laion2b_s34b_b79k'"),
        ("ViT-nonsense", "openai", "has no model 'ViT-nonsense'"),
    ],
)
def test_a_name_that_is_not_listed_is_refused_with_the_nearest(model, tag, message):
    with pytest.raises(CheckpointError, match=message) as refused:
        check_listed(model, tag)
    assert len(str(refused.value)) < 1000
    check_listed("ViT-B-32", "laion2B-s34B_b79k")  # in open_clip's other spelling
    check_listed("ViT-B-32", "a/file.safetensors")


@pytest.mark.parametrize("name", ["ViT-L-14/openai", "hf-hub:no-such/repository"])
def test_weights_that_are_not_there_are_named_with_a_way_to_bring_them(name, caplog, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError, match=r"of the repository .* is neither in the local cache .* 'local-dir:"):
        load_space(name)
    assert not caplog.records


def test_dimensions_are_known_before_loading(space):
    assert {name: dimension_of(name) for name in CATALOGUE} == {name: row.dim for name, row in CATALOGUE.items()}
    assert dimension_of("ViT-L-14/openai") == 768
    assert dimension_of(f"local-dir:{MINI / 'clip'}") == space.stamp.dim
    assert dimension_of("local-dir:nowhere") is None
    assert dimension_of("hf-hub:org/name") is None
    assert dimension_of("nonsense/openai") is None
