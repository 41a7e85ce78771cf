"""The layouts in which weights are published: each loads and draws the same, or is refused with the true reason."""

import os
import shutil

import hub
import numpy as np
import pytest
import tiny
import torch

from clipspace import load_space
from clipspace.errors import CheckpointError
from clipspace.models.weight_files import choices, choose

MAKERS = {
    "kandinsky": tiny.kandinsky,
    "kandinsky_prior": tiny.kandinsky_prior,
    "stable_unclip": tiny.stable_unclip,
    "karlo": tiny.karlo,
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("layouts")
    tiny.clip(folder / "clip")
    for name, make in MAKERS.items():
        make(folder / name)
    return folder


def _load(home, folder, **options):
    part = {"prior" if "prior" in folder.name else "decoder": folder}
    return load_space(f"local-dir:{home / 'clip'}", **part, device="cpu", **options)


def _drawn(space):
    """What its decoder or prior draws."""
    if space.decoder is None:
        return space.prior(["a cat"], seed=0, num_inference_steps=2).vectors
    points = space.encode_images(np.full((8, 8, 3), 90, np.uint8))
    return np.stack([np.asarray(i, int) for i in space.decode(points, seed=0, num_inference_steps=2)])


def _changed(home, tmp_path, name, *changes):
    folder = tmp_path / name
    shutil.copytree(home / name, folder)
    for change in changes:
        change(folder)
    return folder


@pytest.fixture(scope="module")
def plain(home):
    """What is drawn with the files as their library wrote them, by name."""
    return {name: _drawn(_load(home, home / name)) for name in MAKERS}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize(
    "layout", [hub.only_pickles, hub.shard, hub.age, hub.linked], ids=["pickles", "shards", "old names", "links"]
)
def test_every_layout_of_the_same_weights_draws_the_same(home, tmp_path, plain, name, layout):
    other = _load(home, _changed(home, tmp_path, name, layout))
    assert np.array_equal(plain[name], _drawn(other))


@pytest.mark.parametrize("name", MAKERS)
def test_half_precision_alone_is_read_and_beside_plain_files_only_when_asked_for(home, tmp_path, plain, name):
    both = _changed(home, tmp_path, name, hub.add_half)
    alone = _changed(home, tmp_path / "alone", name, hub.add_half, hub.drop_plain)
    spaces = [_load(home, both), _load(home, both, variant="fp16")]
    whole, half = (_drawn(space) for space in spaces)
    assert np.array_equal(whole, plain[name])
    assert np.array_equal(half, _drawn(_load(home, alone)))
    assert np.abs(half - whole).max() < 1e-2 * max(1, np.abs(whole).max())
    networks = [vars(s.decoder or s.prior_model) for s in spaces]
    key = next(k for k, v in networks[0].items() if isinstance(v, torch.nn.Module))
    assert any(
        not torch.equal(a, b) for a, b in zip(*(n[key].state_dict().values() for n in networks), strict=True)
    )  # other files were read


def test_an_unknown_variant_is_refused_before_the_encoder_is_loaded(home, tmp_path):
    folder = _changed(home, tmp_path, "kandinsky", hub.add_half)
    with pytest.raises(CheckpointError, match=r"expected variant out of \['fp16'\].*got 'bf16'; leave it out"):
        load_space("local-dir:/no/such/clip", decoder=folder, device="cpu", variant="bf16")
    with pytest.raises(CheckpointError, match=r"expected no variant, as there is none.*got 'fp16'"):
        load_space("local-dir:/no/such/clip", decoder=home / "kandinsky", device="cpu", variant="fp16")


class _Code:
    """What runs when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize(("name", "part"), [("kandinsky", "unet"), ("stable_unclip", "text_encoder")])
def test_a_pickle_of_more_than_tensors_is_refused_and_runs_nothing(home, tmp_path, name, part):
    folder = _changed(home, tmp_path, name, hub.only_pickles)
    (path,) = (folder / part).glob("*.bin")
    torch.save({"weight": _Code(str(tmp_path / "ran"))}, path)
    with pytest.raises(
        CheckpointError, match=rf"could not read '{part}'.*{path.name}.*holds more than tensors.*run code"
    ):
        _load(home, folder)
    assert not (tmp_path / "ran").exists()


def test_a_pickle_cut_short_is_said_to_be(home, tmp_path):
    folder = _changed(home, tmp_path, "kandinsky", hub.only_pickles)
    tiny.truncate(folder / "unet/diffusion_pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"could not read 'unet'.*broken"):
        _load(home, folder)


def test_pickles_of_other_formats_are_refused(home, tmp_path):
    folder = _changed(home, tmp_path, "kandinsky")
    path = folder / "unet/diffusion_pytorch_model.safetensors"
    path.rename(path.with_suffix(".ckpt"))
    with pytest.raises(CheckpointError, match=r"expected safetensors.*the pickle 'diffusion_pytorch_model.ckpt'"):
        _load(home, folder)


def test_weights_that_are_absent_are_named(home, tmp_path):
    folder = _changed(home, tmp_path, "kandinsky", hub.shard)
    shard = "diffusion_pytorch_model-00002-of-00003.safetensors"
    (folder / "unet" / shard).unlink()
    with pytest.raises(CheckpointError, match=rf"unet' lacks \['{shard}'\], which its index names"):
        _load(home, folder)
    (folder / "unet/diffusion_pytorch_model.safetensors.index.json").write_text("[]")
    with pytest.raises(CheckpointError, match="as an index of weights"):
        _load(home, folder)
    for path in (folder / "unet").glob("diffusion*"):
        path.unlink()
    with pytest.raises(CheckpointError, match=r"expected weights in .*unet', such as .*got \['config.json'\]"):
        _load(home, folder)


@pytest.mark.parametrize(
    ("names", "variant", "chosen"),
    [
        (["model.safetensors", "model.fp16.safetensors"], None, ["model.safetensors"]),
        (["model.safetensors", "model.fp16.safetensors"], "fp16", ["model.fp16.safetensors"]),
        (["model.safetensors", "pytorch_model.fp16.bin"], "fp16", ["model.safetensors"]),
        (["pytorch_model.bin", "model.fp16.safetensors"], None, ["model.fp16.safetensors"]),
        (["pytorch_model.bin", "flax_model.msgpack", "model.onnx", "openvino_model.bin"], None, ["pytorch_model.bin"]),
        (
            ["model-00001-of-00002.fp16.safetensors", "model.safetensors.index.fp16.json", "model.safetensors"],
            "fp16",
            ["model-00001-of-00002.fp16.safetensors", "model.safetensors.index.fp16.json"],
        ),
        (
            ["model.fp16-00001-of-00002.safetensors", "model.fp16.safetensors.index.json"],
            None,
            ["model.fp16-00001-of-00002.safetensors", "model.fp16.safetensors.index.json"],
        ),
        (["model-00001-of-00001.bin", "model.bin.index.json", "model.bin"], None, None),
    ],
)
def test_the_files_that_are_read_follow_their_names(names, variant, chosen):
    expected = chosen or ["model-00001-of-00001.bin", "model.bin.index.json"]
    assert list(choose(["config.json", *names], variant, "a part").names) == expected


def test_variants_without_plain_files_must_be_chosen_from():
    names = ["model.fp16.safetensors", "model.non_ema.safetensors"]
    assert {weights.variant for weights in choices(names)} == {"fp16", "non_ema"}
    with pytest.raises(CheckpointError, match=r"\['fp16', 'non_ema'\]; pass variant="):
        choose(names, None, "a part")
