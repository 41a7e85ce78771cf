"""Which function is this encoder: activation, stamp, what the tokenizer reads, how it was trained, its input's shape."""

import json
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import huggingface_hub
import numpy as np
import open_clip
import pytest
import tiny
import torch
from open_clip.transformer import QuickGELU
from PIL import Image
from pyarrow import parquet
from safetensors.torch import load_file, save_file

from clipspace import build_index, load_space, zero_shot
from clipspace.errors import CheckpointError, InputError, PrecisionError, SpaceMismatchError
from clipspace.models.catalogue import MINI
from clipspace.models.clip import Preprocess
from clipspace.models.reading import TruncationWarning
from clipspace.points.embeddings import check_same_space, concatenate
from clipspace.points.store import append, open_store, select, write_store
from clipspace.space import untrained_space
from clipspace.space.encoding import encode

PLAIN = Preprocess((0.48, 0.46, 0.41), (0.27, 0.26, 0.28))
TAGS = [
    ("ViT-B-32", "openai"),
    ("ViT-B-32-quickgelu", "openai"),
    ("ViT-B-16", "metaclip_400m"),
    ("ViT-H-14", "dfn5b"),
    ("ViT-B-32", "laion400m_e32"),
    ("ViT-B-32", "laion2b_s34b_b79k"),
    ("ViT-B-16-SigLIP", "webli"),
    ("roberta-ViT-B-32", "laion2b_s12b_b32k"),
]


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    return tiny.clip(tmp_path_factory.mktemp("vit") / "clip")


@pytest.fixture(scope="module")
def siglip(tmp_path_factory):
    return load_space(tiny.siglip(tmp_path_factory.mktemp("siglip") / "clip"), device="cpu")


@pytest.fixture(scope="module")
def photo():
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 90, 3), dtype=np.uint8))


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A function that lays a file into an empty hub cache, as a download of the repository would have."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))

    def lay(repository: str, name: str) -> Path:
        home = tmp_path / "hub" / f"models--{repository.replace('/', '--')}"
        for folder in ("refs", "snapshots/abc"):
            (home / folder).mkdir(parents=True, exist_ok=True)
        (home / "refs" / "main").write_text("abc")
        return home / "snapshots" / "abc" / name

    return lay


def _shrink(architecture: str, monkeypatch, words: Path | None = None) -> None:
    """Make open_clip's configuration of an architecture tiny; its activation and the kind of its training stay."""
    kept = {k: v for k, v in open_clip.get_model_config(architecture).items() if k in ("quick_gelu", "init_logit_bias")}
    made = json.loads(json.dumps(tiny.CLIP["model_cfg"])) | kept
    if words is not None:
        tiny.words(words)
        made["text_cfg"]["hf_tokenizer_name"] = str(words)
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, architecture, made)


def _runs_quickgelu(model: torch.nn.Module) -> set[bool]:
    return {isinstance(m, QuickGELU) for m in model.modules() if isinstance(m, (QuickGELU, torch.nn.GELU))}


@pytest.mark.parametrize(("architecture", "tag"), TAGS)
def test_a_tag_runs_the_activation_that_its_weights_were_trained_with(
    architecture, tag, hub, monkeypatch, photo, tmp_path
):
    _shrink(architecture, monkeypatch, tmp_path / "words" if tag == "webli" else None)
    listed = open_clip.get_pretrained_cfg(architecture, tag)
    torch.manual_seed(0)
    drawn = open_clip.create_model(architecture)
    save_file(drawn.state_dict(), hub(listed["hf_hub"].rstrip("/"), "open_clip_model.safetensors"))

    space = load_space(f"{architecture}/{tag}", device="cpu")
    trained = bool(listed.get("quick_gelu", False))
    assert _runs_quickgelu(space.encoder.model) == {trained}
    assert ("QuickGELU" in space.stamp.function.activation) == trained

    forced = {"force_quick_gelu": True} if trained else {"quick_gelu": False}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="QuickGELU mismatch")
        expected, preprocess = open_clip.create_model_from_pretrained(architecture, tag, **forced)
    with torch.no_grad():
        image = expected.eval().encode_image(preprocess(photo)[None])
        text = expected.encode_text(open_clip.get_tokenizer(architecture)(["a cat"]))
    assert np.abs(space.encode_images(photo).vectors - image.numpy()).max() <= 1e-6
    assert np.abs(space.encode_texts("a cat").vectors - text.numpy()).max() <= 1e-6


def test_no_listed_id_runs_another_activation_than_its_tag_says(monkeypatch):
    """All pairs of open_clip's list, through the real route up to where the model would be built."""
    built = {}

    class Reached(RuntimeError):
        pass

    def build(**options):
        built["quick_gelu"] = bool(options.get("quick_gelu", False))
        raise Reached

    for kind in ("CLIP", "CustomTextCLIP", "CoCa"):
        monkeypatch.setattr(open_clip.factory, kind, build)
    monkeypatch.setattr(open_clip.factory, "download_pretrained", lambda *a, **k: "weights.safetensors")
    mismatched = []
    for architecture, tag in open_clip.list_pretrained():
        with pytest.raises(CheckpointError, match="Reached"):
            load_space(f"{architecture}/{tag}", device="cpu")
        if built.pop("quick_gelu") != bool(open_clip.get_pretrained_cfg(architecture, tag).get("quick_gelu", False)):
            mismatched.append((architecture, tag))
    assert not mismatched
    assert len(open_clip.list_pretrained()) > 150


def test_an_untrained_control_is_of_the_function_that_the_tag_names(monkeypatch, tmp_path):
    _shrink("ViT-B-32", monkeypatch)
    _shrink("ViT-B-16-SigLIP", monkeypatch, tmp_path / "words")
    openai, siglip = (untrained_space(i, seed=0, device="cpu") for i in ("ViT-B-32/openai", "ViT-B-16-SigLIP/webli"))
    assert _runs_quickgelu(openai.encoder.model) == {True}
    assert (siglip.stamp.function.mean, siglip.stamp.function.resize_mode) == ("0.5 0.5 0.5", "squash")


@pytest.mark.parametrize("says", [True, False])
def test_a_repository_that_contradicts_the_list_is_refused(says, hub, vit):
    repository = "timm/vit_base_patch32_clip_224.openai"  # listed as trained with QuickGELU
    folder = Path(vit.removeprefix("local-dir:"))
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["quick_gelu"] = says
    hub(repository, "open_clip_config.json").write_text(json.dumps(config))
    save_file(load_file(folder / "open_clip_model.safetensors"), hub(repository, "open_clip_model.safetensors"))
    if says:
        assert "QuickGELU" in load_space(f"hf-hub:{repository}", device="cpu").stamp.function.activation
    else:
        with pytest.raises(CheckpointError, match="trained with QuickGELU, got a model that runs GELU"):
            load_space(f"hf-hub:{repository}", device="cpu")


def test_a_bare_file_must_say_its_activation(vit, tmp_path, monkeypatch, photo):
    _shrink("ViT-B-32", monkeypatch)
    name = f"ViT-B-32/{vit.removeprefix('local-dir:')}/open_clip_model.safetensors"
    with pytest.raises(InputError, match=r"does not say its activation; pass preprocess=.*activation='quickgelu'"):
        load_space(name, preprocess=PLAIN, device="cpu")
    with pytest.raises(InputError, match="activation out of"):
        Preprocess(PLAIN.mean, PLAIN.std, activation="relu")
    said = [Preprocess(PLAIN.mean, PLAIN.std, activation=activation) for activation in ("gelu", "quickgelu")]
    gelu, quick = (load_space(name, preprocess=preprocess, device="cpu") for preprocess in said)
    assert _runs_quickgelu(quick.encoder.model) == {True}
    with pytest.raises(
        SpaceMismatchError, match=r"differ in activation \(expected image GELU, text GELU, got image Quick"
    ):
        concatenate([gelu.encode_images(photo), quick.encode_images(photo)])
    assert concatenate([gelu.encode_images(photo), load_space(vit, device="cpu").encode_images(photo)])


CONFIGURED = {
    "activation": lambda c: c["model_cfg"].update(quick_gelu=True),
    "heads": lambda c: c["model_cfg"]["vision_cfg"].update(head_width=32),
    "text cleaning": lambda c: c["model_cfg"]["text_cfg"].update(tokenizer_kwargs={"clean": "whitespace"}),
}


@pytest.mark.parametrize("changed", CONFIGURED)
def test_one_state_dict_under_two_configurations_is_two_spaces(changed, vit, tmp_path, photo):
    own, other = (load_space(i, device="cpu") for i in (vit, tiny.variant(vit, tmp_path / "b", CONFIGURED[changed])))
    assert own.stamp.weights == other.stamp.weights
    a, b = own.encode_images(photo), other.encode_images(photo)
    store = write_store(tmp_path / "store", a)
    optimising = load_space(vit, decoder="gradient", device="cpu")
    for mix in (
        lambda: concatenate([a, b]),
        lambda: append(store.path, b),
        lambda: select(open_store(store.path), near=b),
        lambda: build_index(store).search(b, 1),
        lambda: optimising.decode(b),
    ):
        with pytest.raises(SpaceMismatchError, match=f"differ in {changed}"):
            mix()


def test_features_are_another_space_whatever_their_width():
    space = untrained_space("ViT-S-32-alt", seed=0, device="cpu")
    features = space.encode_features(Image.new("RGB", (64, 64), "red"))
    assert features.stamp != space.stamp
    other = replace(space.stamp, dim=features.dim)  # as where the widths agree
    assert features.stamp != other
    with pytest.raises(SpaceMismatchError, match=r"layer .expected embedding, got before its projection"):
        check_same_space(other, features.stamp, "test")


def test_texts_that_differ_after_the_context_say_what_was_cut(siglip, tmp_path):
    long = "a photo of a red apple on"  # seven words and the mark of the end are eight
    with pytest.warns(TruncationWarning, match=r"text of 9 tokens: the model reads 7, so 'a table' was cut; .* 1 more"):
        a, b = siglip.encode_texts([f"{long} a table", f"{long} blue cat"]).vectors
    assert np.array_equal(a, b)
    assert siglip.encoder.text_tower.tokenizer.tokenizer.model_max_length > 1e18  # that states no longest text


def test_the_words_cut_at_the_left_are_named(tmp_path):
    space = load_space(tiny.siglip(tmp_path / "clip", side="left"), device="cpu")
    with pytest.warns(TruncationWarning, match="so 'blue dog' was cut"):
        space.encode_texts("blue dog a photo of a red apple on")


def test_words_after_a_typed_mark_of_the_end_are_named(vit):
    with pytest.warns(TruncationWarning, match="the model reads 2, so .*red' was cut"):
        load_space(vit, device="cpu").encode_texts("a cat <end_of_text> red")


@pytest.mark.parametrize("text", ["&nbsp;", " &nbsp; ", "&emsp;"])
def test_a_text_that_cleaning_empties_is_refused(text, vit, siglip):
    for space in (load_space(vit, device="cpu"), siglip):
        with pytest.raises(InputError, match="at least one word"):
            space.encode_texts(["a cat", text])
    with pytest.raises(InputError, match="at least one word"):
        siglip.encode_texts("?!")  # which takes punctuation away


def test_a_caption_that_cleaning_empties_is_recorded(vit, tmp_path):
    for name, caption in (("a", "a cat"), ("b", "&nbsp;")):
        Image.new("RGB", (32, 32)).save(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.txt").write_text(caption)
    encode(load_space(vit, device="cpu"), tmp_path, tmp_path / "store", texts=True)
    assert len(open_store(tmp_path / "store")) == 1
    (reason,) = parquet.read_table(tmp_path / "store" / "rejected")["reason"].to_pylist()
    assert reason == "missing caption"


def test_a_model_trained_by_the_sigmoid_is_read_by_it(siglip, photo):
    read = zero_shot(siglip, photo, ["cat", "dog", "table"], templates=("{}",))
    images, texts = siglip.encode_images(photo).unit, siglip.encode_texts(["cat", "dog", "table"]).unit
    logits = np.exp(2.0) * images @ texts.T - 5.0
    assert read.probability == "sigmoid"
    assert np.allclose(read.probabilities, 1 / (1 + np.exp(-logits)), atol=1e-6)
    chosen = zero_shot(siglip, photo, ["cat", "dog", "table"], templates=("{}",), probability="softmax")
    assert chosen.probability == "softmax"
    assert np.allclose(chosen.probabilities.sum(), 1)
    assert chosen.best == read.best


def test_a_model_trained_by_the_softmax_has_no_sigmoid(vit, photo):
    space = load_space(vit, device="cpu")
    assert zero_shot(space, photo, ["cat", "dog"]).probability == "softmax"
    with pytest.raises(InputError, match="no logit bias"):
        zero_shot(space, photo, ["cat", "dog"], probability="sigmoid")
    with pytest.raises(InputError, match="'softmax' or 'sigmoid'"):
        zero_shot(space, photo, ["cat", "dog"], probability="tanh")


@pytest.mark.parametrize("resize_mode", [None, "squash", "squash-aliased"])
def test_a_model_of_images_that_are_not_square_works(resize_mode, tmp_path, photo):
    torch.manual_seed(0)
    config = json.loads(json.dumps(tiny.CLIP))
    config["model_cfg"]["vision_cfg"]["image_size"] = [32, 64]
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    save_file(open_clip.model.CLIP(**config["model_cfg"]).state_dict(), tmp_path / "open_clip_model.safetensors")
    space = load_space(f"local-dir:{tmp_path}", decoder="gradient", resize_mode=resize_mode, device="cpu")
    encoder = space.encoder
    assert encoder.prepare(photo).shape == (3, 32, 64)
    assert encoder.image_shape == (32, 64)
    assert space.stamp.function.image_size == "32 x 64"
    model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{tmp_path}")
    if resize_mode is None:
        expected = model.eval().encode_image(preprocess(photo)[None]).detach().numpy()
        assert np.allclose(space.encode_images(photo).vectors, expected, atol=1e-6)
    pixels = np.asarray(Image.new("RGB", (64, 32), (200, 20, 90)))
    flat = torch.from_numpy(pixels / 255).permute(2, 0, 1)[None].float()
    assert np.allclose(encoder.differentiable(flat).numpy(), encoder.images([Image.fromarray(pixels)]), atol=1e-5)
    with pytest.warns(UserWarning, match="few for a gradient decoder"):
        (drawn,) = space.decode(space.encode_images(photo), num_inference_steps=2)
    assert drawn.size == (64, 32)


@pytest.fixture
def overflowing(vit, tmp_path):
    """A model whose projection is fine in float32, and beyond the largest number of float16."""
    name = tiny.variant(vit, tmp_path / "large", lambda config: None)
    path = tmp_path / "large" / "open_clip_model.safetensors"
    weights = load_file(path)
    for key in ("visual.proj", "text_projection"):
        weights[key] *= 1e7
    save_file(weights, path)
    return name


def test_an_encoder_that_overflows_half_precision_says_so(overflowing, photo, tmp_path):
    assert np.isfinite(load_space(overflowing, device="cpu").encode_images(photo).vectors).all()
    half = load_space(overflowing, device="cpu", dtype="float16")
    with pytest.raises(
        PrecisionError, match=r"encode_images: .*rows \[0\].*float16.*load the space with dtype='bfloat16'"
    ):
        half.encode_images(photo)
    with pytest.raises(PrecisionError, match=r"encode_texts: .*float16"):
        half.encode_texts("a cat")
    photo.save(tmp_path / "a.png")
    encode(half, [tmp_path / "a.png"], tmp_path / "store")
    (detail,) = parquet.read_table(tmp_path / "store" / "rejected")["detail"].to_pylist()
    assert "the model ran in float16: load the space with dtype='bfloat16'" in detail


@pytest.mark.parametrize("part", ["decoder", "prior"])
def test_a_decoder_refuses_equal_weights_under_another_activation(tmp_path, part):
    for name in ("clip", part):
        shutil.copytree(MINI / name, tmp_path / name)
    config = tmp_path / "clip" / "open_clip_config.json"
    facts = json.loads(config.read_text())
    facts["model_cfg"]["quick_gelu"] = not facts["model_cfg"].get("quick_gelu", False)
    config.write_text(json.dumps(facts))
    with pytest.raises(SpaceMismatchError, match="activation"):
        load_space(f"local-dir:{tmp_path / 'clip'}", **{part: tmp_path / part}, device="cpu")


def test_how_images_are_cut_to_a_square_does_not_part_a_clip_from_its_decoder():
    assert load_space("mini", resize_mode="squash", device="cpu").decoder is not None


def test_other_words_for_the_same_function_do_not_part_a_clip_from_its_decoder(tmp_path):
    shutil.copytree(MINI / "decoder", tmp_path / "decoder")
    index = tmp_path / "decoder" / "model_index.json"
    facts = json.loads(index.read_text())
    facts["clip"]["function"]["pooling"] = "as another release of open_clip calls it"
    index.write_text(json.dumps(facts))
    assert load_space("mini", decoder=tmp_path / "decoder", device="cpu").decoder is not None
