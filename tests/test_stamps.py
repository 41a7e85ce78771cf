"""Stamps: of one function at every precision and batch, apart where the function differs, and old ones."""

import json
import warnings
from dataclasses import replace

import numpy as np
import open_clip
import pytest
import tiny
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import BertConfig

from clipspace import PCA, Embeddings, build_index, load_space
from clipspace.errors import CheckpointError, InputError, OldStampWarning, SpaceMismatchError
from clipspace.points.alignment import fit_adapter, load_adapter
from clipspace.points.code import Code, load_code, save_code
from clipspace.points.embeddings import Stamp, check_same_space, concatenate
from clipspace.points.stamps import TOLERANCE, WRONG_IDS, _ran_quickgelu, differences, read_stamp
from clipspace.points.store import append, layout, open_store, select, write_store
from clipspace.search import open_index
from clipspace.search.maps import load_map, pca_map
from clipspace.space import untrained_space


@pytest.fixture(scope="module")
def square(tmp_path_factory):
    """A CLIP as wide before its projection as after it."""
    return tiny.clip(tmp_path_factory.mktemp("square") / "clip")


@pytest.fixture(scope="module")
def siglip(tmp_path_factory):
    return tiny.siglip(tmp_path_factory.mktemp("siglip") / "clip")


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A CLIP with a text tower of Hugging Face, whose positions say nothing of the context length."""
    folder = tmp_path_factory.mktemp("bert") / "clip"
    BertConfig(
        vocab_size=32, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=64, pad_token_id=0,
    ).save_pretrained(folder)  # fmt: skip
    config = json.loads(json.dumps(tiny.CLIP))
    config["model_cfg"]["text_cfg"] = {
        "context_length": 8, "hf_model_name": str(folder), "hf_tokenizer_name": "its own", "hf_model_pretrained": False,
        "hf_proj_type": "linear", "hf_pooler_type": "mean_pooler",
    }  # fmt: skip
    tiny.words(folder)
    torch.manual_seed(0)
    weights = open_clip.CustomTextCLIP(**config["model_cfg"]).state_dict()
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file({k: v.contiguous() for k, v in weights.items()}, folder / "open_clip_model.safetensors")
    return f"local-dir:{folder}"


def _vision(**changes):
    return lambda config: config["model_cfg"]["vision_cfg"].update(changes)


def _text(**changes):
    return lambda config: config["model_cfg"]["text_cfg"].update(changes)


def _preprocess(**changes):
    return lambda config: config["preprocess_cfg"].update(changes)


PLANTED = {
    "activation": lambda config: config["model_cfg"].update(quick_gelu=True),
    "heads": _vision(head_width=32),
    "pooling": _vision(pool_type="avg"),
    "norm epsilon": _vision(norm_kwargs={"eps": 1e-3}),
    "text cleaning": _text(tokenizer_kwargs={"clean": "whitespace"}),
    "resize mode": _preprocess(resize_mode="squash"),
    "interpolation": _preprocess(interpolation="bilinear"),
    "mean": _preprocess(mean=[0.5, 0.46, 0.41]),
    "std": _preprocess(std=[0.5, 0.26, 0.28]),
    "architecture": _text(no_causal_mask=True),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_change_of_the_configuration_is_refused_and_named(name, square, tmp_path):
    own, other = (
        load_space(i, device="cpu").stamp for i in (square, tiny.variant(square, tmp_path / "b", PLANTED[name]))
    )
    assert own.weights == other.weights
    assert own != other
    with pytest.raises(SpaceMismatchError, match=rf"differ in {name}( \(|;)"):
        check_same_space(own, other, "test")


def test_another_context_length_is_refused(bert, tmp_path):
    other = tiny.variant(bert, tmp_path / "b", _text(context_length=12))
    a, b = (load_space(i, device="cpu").stamp for i in (bert, other))
    assert differences(a, b) == ["context length (expected 8, got 12)"]


def test_a_text_tower_of_hugging_face_is_drawn_anew_in_a_control(bert):
    a, b = (untrained_space(bert, seed=seed, device="cpu").encode_texts("a cat").unit for seed in (0, 1))
    assert a @ b.T < 0.9


def test_another_tokenizer_is_refused(siglip, tmp_path):
    other = tiny.variant(siglip, tmp_path / "b", lambda config: None)
    tiny.words(tmp_path / "b", tiny.WORDS[::-1])
    a, b = (load_space(i, device="cpu").stamp for i in (siglip, other))
    assert differences(a, b) == ["tokenizer"]


def test_features_are_refused_where_their_width_is_that_of_embeddings(square):
    space, image = load_space(square, device="cpu"), Image.new("RGB", (40, 32), "red")
    points, features = space.encode_images(image), space.encode_features(image)
    assert points.dim == features.dim
    with pytest.raises(SpaceMismatchError, match="differ in layer"):
        concatenate([points, features])


@pytest.mark.parametrize("how", ["normalised", "transposed"])
def test_what_no_module_says_is_refused_by_the_fingerprint(how, square, monkeypatch):
    """The projection done otherwise by another version of a library: every fact and every weight is the same."""
    own = load_space(square, device="cpu").stamp
    encode = open_clip.model.CLIP.encode_image

    def otherwise(self, image, normalize=False):
        if how == "normalised":
            return encode(self, image, normalize=True)
        unprojected = encode(self, image) @ torch.linalg.inv(self.visual.proj)
        return unprojected @ self.visual.proj.T

    monkeypatch.setattr(open_clip.model.CLIP, "encode_image", otherwise)
    other = load_space(square, device="cpu").stamp
    assert own.function == other.function
    with pytest.raises(SpaceMismatchError, match="what they make of the same images and texts"):
        check_same_space(own, other, "test")


def test_one_function_is_one_space_at_every_precision_batch_and_number_of_threads(square, rng):
    images = [Image.fromarray(rng.integers(0, 255, (40, 32, 3), dtype=np.uint8)) for _ in range(9)]
    own = load_space(square, device="cpu")
    parts, threads = [], torch.get_num_threads()
    try:
        for count, dtype in ((1, "float32"), (1, "float64"), (1, "bfloat16"), (1, "float16"), (2, "float32")):
            torch.set_num_threads(count)
            space = load_space(square, device="cpu", dtype=dtype)
            parts += [space.encode_images(images, batch_size=size) for size in (1, 7, 64)]
    finally:
        torch.set_num_threads(threads)
    assert len(concatenate([own.encode_images(images), *parts])) == 9 * 16


def test_a_model_saved_and_loaded_is_the_same_space(square, tmp_path):
    """From a bare file by the name of its architecture; written to a folder whose configuration is spelled in full."""
    from clipspace.models.clip import Preprocess

    torch.manual_seed(0)
    config = open_clip.get_model_config("ViT-S-32-alt")
    weights = open_clip.CLIP(**config).state_dict()
    save_file(weights, tmp_path / "bare.safetensors")
    preprocess = Preprocess((0.48, 0.46, 0.41), (0.27, 0.26, 0.28), activation="gelu")
    bare = load_space(f"ViT-S-32-alt/{tmp_path / 'bare.safetensors'}", preprocess=preprocess, device="cpu").stamp
    folder = tmp_path / "saved"
    folder.mkdir()
    save_file(weights, folder / "open_clip_model.safetensors")
    full = {"model_cfg": config | {"quick_gelu": False}, "preprocess_cfg": tiny.CLIP["preprocess_cfg"]}
    full["model_cfg"]["vision_cfg"] |= {"pool_type": "tok", "mlp_ratio": 4.0}
    (folder / "open_clip_config.json").write_text(json.dumps(full))
    saved = load_space(f"local-dir:{folder}", device="cpu").stamp
    check_same_space(bare, saved, "test")
    assert (bare, hash(bare)) == (saved, hash(saved))
    assert read_stamp(json.loads(json.dumps(bare.to_dict()))) == bare


def test_a_fingerprint_is_compared_with_a_tolerance(square):
    own = load_space(square, device="cpu").stamp
    for step, count in ((0.5 * TOLERANCE, 0), (1.5 * TOLERANCE, 1)):
        moved = [own.function.fingerprint[0] + step, *own.function.fingerprint[1:]]
        other = replace(own, function=replace(own.function, fingerprint=tuple(moved)))
        assert len(differences(own, other)) == count
        assert own == other  # numbers are no part of it, so that it stays transitive
    short = replace(own, function=replace(own.function, fingerprint=()))
    assert differences(own, short)


def test_weights_that_are_not_finite_are_refused(square, tmp_path):
    from safetensors.torch import load_file

    name = tiny.variant(square, tmp_path / "broken", lambda config: None)
    path = tmp_path / "broken" / "open_clip_model.safetensors"
    weights = load_file(path)
    weights["visual.proj"][0, 0] = float("nan")
    save_file(weights, path)
    with pytest.raises(CheckpointError, match="not finite"):
        load_space(name, device="cpu")


# Stamps that clipspace 0.1 wrote: they name weights and preprocessing alone.


def _age(plain, model=None):
    """The stamp in JSON as clipspace 0.1 wrote it."""
    old = {key: plain[key] for key in ("model", "weights", "preprocess", "dim")}
    return old | ({"model": model} if model else {})


@pytest.fixture(scope="module")
def space(square):
    return load_space(square, device="cpu")


@pytest.fixture
def points(space, rng):
    vectors = rng.normal(size=(12, space.stamp.dim)).astype(np.float32)
    return Embeddings(vectors, space.stamp, names=[f"{i}.png" for i in range(12)])


def test_a_store_with_an_old_stamp_opens_and_works_with_its_space(points, tmp_path):
    store = write_store(tmp_path, points)
    header = layout.read_header(tmp_path)
    layout.write_json(layout.header_file(tmp_path), header | {"stamp": _age(header["stamp"])})
    with pytest.warns(OldStampWarning, match="does not name the activation") as caught:
        opened = open_store(store.path)
    assert len(caught) == 1
    assert len(select(opened, near=points[0])) == 12
    with pytest.warns(OldStampWarning):
        assert len(append(store.path, points)) == 24


@pytest.mark.parametrize("kind", ["pca", "map", "code", "index", "adapter"])
def test_other_files_with_an_old_stamp_open_with_one_warning(kind, points, tmp_path, monkeypatch):
    path = tmp_path / kind
    full = Stamp.to_dict
    with monkeypatch.context() as past:
        past.setattr(Stamp, "to_dict", lambda self: _age(full(self)))
        if kind == "pca":
            PCA(2).fit(points).save(path)
        elif kind == "map":
            pca_map(points).save(path)
        elif kind == "code":
            noise = np.zeros((12, 3, 4, 4), np.float32)
            save_code(Code(points, noise, 5, 1.0, np.zeros(12), np.zeros(12, int)), path)
        elif kind == "index":
            build_index(points).save(path)
        else:
            target = replace(points, stamp=replace(points.stamp, weights="f" * 16))
            fit_adapter(points, target).save(path)
    read = {"pca": PCA.load, "map": load_map, "code": load_code, "index": open_index, "adapter": load_adapter}[kind]
    with pytest.warns(OldStampWarning) as caught:
        opened = read(path)
    assert len(caught) == (2 if kind == "adapter" else 1)  # which holds two stamps
    if kind == "pca":
        assert opened.transform(points).shape == (12, 2)
    elif kind == "index":
        assert opened.search(points[:1], 3)
    elif kind == "adapter":
        assert len(opened(points)) == 12


def test_what_is_written_now_opens_without_a_warning(points, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_store(tmp_path, points)
        assert open_store(tmp_path).stamp == points.stamp
        for stamp in (points.stamp, Stamp("mine", "w" * 16, "p" * 16, 3)):
            again = read_stamp(json.loads(json.dumps(stamp.to_dict())))
            assert (again, again.function) == (stamp, stamp.function)


def test_an_old_stamp_of_a_wrong_activation_must_be_encoded_again(space):
    quick = replace(space.stamp, function=replace(space.stamp.function, activation="image QuickGELU, text QuickGELU"))
    gelu = space.stamp
    for identifier, now in (
        ("ViT-B-32/openai", quick),
        ("ViT-H-14/dfn5b", quick),
        ("roberta-ViT-B-32/laion2b_s12b_b32k", gelu),
    ):
        with pytest.warns(OldStampWarning, match=f"{identifier}.*these vectors are wrong.*encode again"):
            old = read_stamp(_age(now.to_dict(), identifier))
        with pytest.raises(SpaceMismatchError, match=f"activation .*{identifier!r}.*encode it again"):
            check_same_space(now, old, "test")
    for identifier, now in (
        ("ViT-B-32-quickgelu/openai", quick),
        ("ViT-B-32/laion2b_s34b_b79k", gelu),
        ("mini", quick),
    ):
        with pytest.warns(OldStampWarning, match="goes on working"):
            old = read_stamp(_age(now.to_dict(), identifier))
        check_same_space(now, old, "test")
        check_same_space(old, now, "test")


def test_old_stamps_of_two_activations_are_apart_and_features_from_embeddings(space):
    old = Stamp("ViT-B-32/openai", "w" * 16, "p" * 16, 512)
    assert differences(old, replace(old, model="ViT-B-32-quickgelu/openai"))
    assert differences(old, replace(old, model="ViT-B-32/openai before its projection"))
    assert not differences(old, replace(old, model="ViT-B-32/OpenAI"))
    with pytest.warns(OldStampWarning, match=r"took the activation of the architecture"):
        bare = read_stamp(_age(space.stamp.to_dict(), "ViT-B-32/my weights/b32.safetensors"))
    check_same_space(space.stamp, bare, "test")


def test_the_ids_that_were_wrong_are_those_of_open_clip_s_list():
    listed = {
        f"{name}/{tag}"
        for name, tag in open_clip.list_pretrained()
        if open_clip.get_pretrained_cfg(name, tag).get("quick_gelu", False)
        != open_clip.get_model_config(name).get("quick_gelu", False)
    }
    assert listed == WRONG_IDS
    for name in open_clip.list_models():
        ran = _ran_quickgelu(Stamp(f"{name}/any", "w", "p", 1))
        assert ran == open_clip.get_model_config(name).get("quick_gelu", False)


@pytest.mark.parametrize("harm", [{"patch": 14}, {"function": {"layer": "embedding"}}, {"function": 3}])
def test_a_stamp_of_other_fields_is_refused(harm, space):
    with pytest.raises(InputError, match=r"expected a stamp of .*update clipspace"):
        read_stamp(space.stamp.to_dict() | harm)
    with pytest.raises(InputError, match="expected a stamp"):
        read_stamp(space.stamp.to_dict() | {"version": 3})


class _WithoutFloat64(torch.Tensor):
    """Vectors on a device that has no float64, as Apple's GPUs."""

    def double(self):
        raise TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64")

    def cpu(self):
        return self.as_subclass(torch.Tensor)


def test_a_device_without_float64_is_given_a_fingerprint(space):
    from clipspace.models.function import function_of

    vectors = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    preprocess = space.encoder.model.visual.preprocess_cfg

    def fingerprint(kind):
        images = lambda images: vectors.as_subclass(kind)  # noqa: E731
        return function_of(space.encoder.model, preprocess=preprocess, image_size=(64, 64), images=images)[
            0
        ].fingerprint

    assert fingerprint(_WithoutFloat64) == fingerprint(torch.Tensor)
