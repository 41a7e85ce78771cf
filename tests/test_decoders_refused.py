"""What a decoder refuses: checkpoints that are harmed or of another CLIP, options it does not take, vectors of another kind."""

import inspect
import json
import shutil
from functools import partial

import numpy as np
import pytest
import tiny

from clipspace import load_space
from clipspace.errors import CheckpointError, InputError, SpaceMismatchError
from clipspace.models.decoders import DECODERS, LOADERS, table


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a tiny CLIP and one folder per decoder, and the pipelines that wrote them."""
    folder = tmp_path_factory.mktemp("tiny")
    return folder, tiny.decoders(folder)


def _space(home, name, **options):
    return load_space(f"local-dir:{home[0] / 'clip'}", decoder=home[0] / name, device="cpu", **options)


def test_unit_vectors_are_refused_by_a_decoder_of_raw_ones(home):
    space = _space(home, "kandinsky")
    points = space.encode_images(np.zeros((8, 8, 3), np.uint8))
    unit = points.with_vectors(points.unit)
    with pytest.raises(InputError, match=r"kandinsky-2\.2.*raw embeddings.*rescale"):
        space.decode(unit, num_inference_steps=2)
    norm = float(points.norm[0])
    a, b = (space.decode(p, num_inference_steps=2, **o)[0] for p, o in ((unit, {"rescale": norm}), (points, {})))
    assert np.abs(np.asarray(a, int) - np.asarray(b, int)).max() <= 1


def test_one_raw_row_does_not_let_unit_rows_through(home):
    space = _space(home, "kandinsky")
    points = space.encode_images([np.full((8, 8, 3), v, np.uint8) for v in (10, 90, 200)])
    mixed = points.with_vectors(np.stack([points.vectors[0], points.unit[1], points.vectors[2]]))
    with pytest.raises(InputError, match=r"1 of 3 vectors of length 1 \(first rows \[1\]\).*rescale"):
        space.decode(mixed, num_inference_steps=1)
    assert len(space.decode(points, num_inference_steps=1)) == 3


@pytest.mark.parametrize("name", ["stable_unclip", "image_variations", "karlo"])
def test_every_decoder_of_raw_vectors_refuses_unit_ones(home, name):
    space = _space(home, name)
    points = space.encode_images(np.zeros((8, 8, 3), np.uint8))
    assert space.decoder.facts.scale == "raw"
    with pytest.raises(InputError, match="raw embeddings"):
        space.decode(points.with_vectors(points.unit))


def test_text_embeddings_are_refused(home):
    space = _space(home, "kandinsky")
    with pytest.raises(InputError, match=r"text embeddings.*prior"):
        space.decode(space.encode_texts("a cat"))


@pytest.mark.parametrize("name", ["kandinsky", "stable_unclip", "image_variations", "karlo"])
def test_a_clip_of_another_dimension_is_refused(home, name, tmp_path):
    other = tiny.clip(tmp_path / "other", dim=48)
    with pytest.raises((SpaceMismatchError, CheckpointError), match="48"):
        load_space(other, decoder=home[0] / name, device="cpu")


def test_a_named_clip_must_be_the_one_trained_for(home):
    from clipspace.models.decoders import check_serves

    encoder = _space(home, "karlo").encoder
    encoder.identifier = "ViT-H-14/laion2b_s32b_b79k"
    with pytest.raises(SpaceMismatchError, match="ViT-L-14/openai"):
        check_serves(encoder, DECODERS["karlo"], tiny.DIM, None)


def test_the_name_asked_for_must_be_the_one_found(home):
    with pytest.raises(CheckpointError, match=r"'karlo'.*kandinsky-2\.2"):
        load_space(f"local-dir:{home[0] / 'clip'}", decoder=f"karlo@{home[0] / 'kandinsky'}", device="cpu")
    with pytest.raises(InputError, match="upsample"):
        _space(home, "kandinsky", decoder_options={"upsample": False})
    with pytest.raises(InputError, match="noise_level"):
        _space(home, "stable_unclip", decoder_options={"noise_level": 1000})


def test_an_upsampler_of_no_known_side_is_refused_when_it_is_loaded(home, tmp_path):
    shutil.copytree(home[0] / "karlo", tmp_path / "karlo")
    path = tmp_path / "karlo" / "super_res_first" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sample_size": [8, 16]}))
    with pytest.raises(CheckpointError, match=r"sample_size.*'super_res_first'"):
        load_space(f"local-dir:{home[0] / 'clip'}", decoder=tmp_path / "karlo", device="cpu")


@pytest.mark.parametrize(
    ("decoder", "options", "message"),
    [
        ("kandinsky", {"null_embeds": 0}, "'kandinsky-2.2' takes no decoder_options, got .'null_embeds'"),
        ("karlo", {"upsampel": False}, r"'karlo' takes \['upsample'\], got \['upsampel'\]"),
        (None, {"upsample": False}, "without a decoder of its own takes no decoder_options"),
        ("gradient", {"upsample": False}, "without a decoder of its own takes no decoder_options"),
    ],
)
def test_options_that_no_decoder_takes_are_refused_before_the_encoder_is_loaded(home, decoder, options, message):
    place = decoder if decoder in (None, "gradient") else home[0] / decoder
    with pytest.raises(InputError, match=message):
        load_space("local-dir:/no/such/clip", decoder=place, decoder_options=options, device="cpu")


def _widen_two(path):
    for key in ("conv_in.weight", "conv_out.bias"):
        tiny.widen(path, key)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (tiny.truncate, "could not read 'unet'"),
        (partial(tiny.drop, key="conv_in.weight"), r"missing_keys.*conv_in\.weight"),
        (partial(tiny.add, key="conv_in.bolt"), r"unexpected_keys.*conv_in\.bolt"),
        (_widen_two, r"mismatched_keys.*conv_in\.weight.*64, 4, 3, 3.*conv_out\.bias"),
        (tiny.pickle_instead, "pickle"),
    ],
    ids=["cut short", "a key missing", "a key too many", "a key of another shape", "a pickle"],
)
def test_a_harmed_checkpoint_is_named(home, tmp_path, harm, message):
    import shutil

    shutil.copytree(home[0] / "kandinsky", tmp_path / "k")
    harm(tmp_path / "k/unet/diffusion_pytorch_model.safetensors")
    with pytest.raises(CheckpointError, match=message):
        load_space(f"local-dir:{home[0] / 'clip'}", decoder=tmp_path / "k", device="cpu")


def test_an_unknown_folder_is_named(home, tmp_path):
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "FluxPipeline"}))
    with pytest.raises(CheckpointError, match="FluxPipeline"):
        load_space(f"local-dir:{home[0] / 'clip'}", decoder=tmp_path, device="cpu")


def test_a_missing_repository_says_how_to_get_it(home, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(CheckpointError, match=r"not in the local cache.*copy the repository"):
        load_space(f"local-dir:{home[0] / 'clip'}", decoder="no-such-org/no-such-model", device="cpu")
    with pytest.raises(CheckpointError, match="no such folder"):
        load_space(f"local-dir:{home[0] / 'clip'}", decoder="/no/such/folder", device="cpu")


def test_a_local_folder_opens_no_socket(home, monkeypatch):
    import socket

    def refuse(*args, **kwargs):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    space = _space(home, "stable_unclip")
    assert len(space.decode(space.encode_images(np.zeros((8, 8, 3), np.uint8)), num_inference_steps=1)) == 1


def test_one_set_of_embeddings_serves_several_decoders(home):
    spaces = [_space(home, name, resize_mode="squash") for name in ("karlo", "stable_unclip", "image_variations")]
    points = spaces[0].encode_images(np.zeros((8, 16, 3), np.uint8))
    for space in spaces:
        assert len(space.decode(points, num_inference_steps=1)) == 1


def test_the_table_in_the_docs_is_the_code_s():
    from pathlib import Path

    page = Path(__file__).parent.parent / "docs" / "decoders.md"
    assert table() in page.read_text()


def test_every_decoder_is_loaded_by_the_same_arguments_and_its_own_options():
    assert {"mini", "kandinsky-2.2", "karlo", "dalle2-pytorch"} <= DECODERS.keys()
    for load in LOADERS.values():
        parameters = inspect.signature(load).parameters
        assert list(parameters)[:3] == ["folder", "place", "encoder"]
        assert {p.kind for p in list(parameters.values())[3:]} <= {inspect.Parameter.KEYWORD_ONLY}
