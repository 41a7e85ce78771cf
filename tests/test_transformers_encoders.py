"""Encoders of transformers and timm against their own libraries; what a folder does not say is refused, never guessed."""

import json
import shutil
import warnings

import hub
import numpy as np
import pytest
import timm
import tiny
import tiny_transformers
import torch
from PIL import Image
from tokenizers import normalizers
from transformers import AutoImageProcessor, AutoTokenizer

from clipspace import load_space
from clipspace.errors import CapabilityError, CheckpointError, InputError
from clipspace.models.reading import TruncationWarning
from clipspace.space import untrained_space

TEXTS = ["a photo of two RED apples", "a cat"]
KINDS = ("clip", "siglip", "siglip2", "dinov2", "dinov3")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("transformers")
    return folder, {kind: getattr(tiny_transformers, kind)(folder / kind) for kind in KINDS}


@pytest.fixture(scope="module")
def spaces(home):
    return {kind: load_space(f"transformers:{home[0] / kind}", device="cpu") for kind in KINDS}


@pytest.fixture(scope="module")
def photograph():
    return tiny_transformers.photograph()


@pytest.fixture
def copied(home, tmp_path):
    """A function that copies a folder and changes one of its JSON files."""

    def change(kind, file, **values):
        folder = shutil.copytree(home[0] / kind, tmp_path / kind)
        written = json.loads((folder / file).read_text())
        for key, value in values.items():
            written.pop(key, None)
            if value is not None:
                written[key] = value
        (folder / file).write_text(json.dumps(written))
        return folder

    return change


def _theirs(model, folder, image):
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    inputs = processor(images=image, return_tensors="pt")
    with torch.no_grad():
        return (model.get_image_features if hasattr(model, "text_model") else model)(**inputs).pooler_output.numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_images_are_embedded_as_transformers_does(kind, home, spaces, photograph):
    folder, models = home
    for image in (photograph, photograph.transpose(Image.Transpose.ROTATE_90)):
        theirs = _theirs(models[kind], folder / kind, image)
        assert np.allclose(spaces[kind].encode_images(image).vectors, theirs, atol=1e-5)
    assert np.ptp(theirs) > 1


@pytest.mark.parametrize(("kind", "length"), [("clip", 20), ("siglip", 12), ("siglip2", 12)])
def test_texts_are_embedded_as_transformers_does(kind, length, home, spaces):
    """SigLIP is given the tokens alone, for the tokenizers published with it make no mask."""
    folder, models = home
    tokenizer = AutoTokenizer.from_pretrained(folder / kind)
    tokens = tokenizer(TEXTS, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    given = tokens if kind == "clip" else {"input_ids": tokens["input_ids"]}
    with torch.no_grad():
        theirs = models[kind].get_text_features(**given).pooler_output
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)
        ours = spaces[kind].encode_texts(TEXTS)
        hidden = spaces[kind].encoder.text_tokens(TEXTS)[1]
    assert np.allclose(ours.vectors, theirs, atol=1e-5)
    assert hidden.shape == (2, length, 32)
    assert (hidden[tokens["attention_mask"] == 0] == 0).all()
    assert float(ours.vectors.std()) > 0.1


def test_texts_are_as_long_as_the_model_reads(spaces):
    encoder = spaces["clip"].encoder
    with pytest.warns(TruncationWarning, match="text of 21 tokens: the model reads 18, so 'uvw' was cut"):
        spaces["clip"].encode_texts("abcdefghij klmnopqr uvw".replace(" ", ""))
    assert encoder.says_nothing("")
    assert not encoder.says_nothing("a")
    assert spaces["clip"].stamp.function.context_length == 20


def test_the_loss_of_a_model_is_read(home, spaces):
    models = home[1]
    assert spaces["clip"].encoder.logit_scale == pytest.approx(float(models["clip"].logit_scale.detach().exp()))
    assert spaces["clip"].encoder.logit_bias is None
    assert spaces["siglip"].encoder.logit_scale == pytest.approx(float(models["siglip"].logit_scale.detach().exp()))
    assert spaces["siglip"].encoder.logit_bias == pytest.approx(float(models["siglip"].logit_bias.detach()))


def test_a_siglip_is_given_lower_case_padded_at_the_end_whatever_its_tokenizer_does(home, tmp_path, spaces):
    """As Gemma's, which its second version was published with, does neither by itself."""
    folder = shutil.copytree(home[0] / "siglip", tmp_path / "siglip")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.backend_tokenizer.normalizer = normalizers.NFC()
    tokenizer.save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"padding_side": "left"}))
    assert tokenizer("CAT")["input_ids"] != tokenizer("cat")["input_ids"]
    assert AutoTokenizer.from_pretrained(folder).padding_side == "left"
    space = load_space(f"transformers:{folder}", device="cpu")
    assert np.array_equal(space.encode_texts("A CAT").vectors, spaces["siglip"].encode_texts("a cat").vectors)


def test_models_of_images_alone_read_no_texts(spaces):
    for doing in (lambda s: s.encode_texts("a cat"), lambda s: s.encoder.says_nothing("a cat")):
        with pytest.raises(CapabilityError, match="images alone, and has no text tower; load a model that has one"):
            doing(spaces["dinov2"])


def test_features_come_before_the_projection(home, spaces, photograph):
    model = home[1]["clip"]
    features = spaces["clip"].encode_features(photograph)
    with torch.no_grad():
        projected = model.visual_projection(torch.from_numpy(features.vectors.copy()))
    assert np.allclose(projected, spaces["clip"].encode_images(photograph).vectors, atol=1e-5)
    with pytest.raises(CapabilityError, match="no projection of its own"):
        spaces["siglip"].encode_features(photograph)


def test_stamps_say_what_the_function_is(spaces):
    functions = {kind: space.stamp.function for kind, space in spaces.items()}
    assert functions["clip"].activation == "image QuickGELU, text QuickGELU"
    assert functions["clip"].pooling == "image class token, text end-of-text token"
    assert functions["siglip"].pooling == "image attention, text last token"
    assert functions["dinov2"].pooling == "image class token"
    assert functions["dinov2"].resize_mode == "shortest side 32, centre 28 x 28"
    assert functions["dinov3"].interpolation == "bilinear"


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_how_images_are_made_square_can_be_chosen(kind, home, spaces, photograph):
    folder = f"transformers:{home[0] / kind}"
    squash, shortest = (load_space(folder, device="cpu", resize_mode=mode) for mode in ("squash", "shortest"))
    by_hand = spaces[kind].encode_images(photograph.resize((32, 32), Image.Resampling.BICUBIC))
    assert np.allclose(squash.encode_images(photograph).vectors, by_hand.vectors, atol=1e-5)
    centre = photograph.resize((47, 32), Image.Resampling.BICUBIC).crop((7, 0, 39, 32))
    by_hand = spaces[kind].encode_images(centre)
    assert np.allclose(shortest.encode_images(photograph).vectors, by_hand.vectors, atol=1e-5)
    own, other = (squash, shortest) if kind == "siglip" else (shortest, squash)
    assert own.stamp == spaces[kind].stamp != other.stamp


def test_pixels_are_embedded_as_images_are(spaces, photograph):
    encoder = spaces["siglip"].encoder
    small = photograph.resize((32, 32))
    pixels = torch.from_numpy(np.array(small)).permute(2, 0, 1)[None] / 255
    assert np.allclose(encoder.differentiable(pixels).detach().numpy(), encoder.images([small]), atol=1e-5)


def test_offloading_and_half_precision_are_the_same_space(home, spaces, photograph):
    pytest.importorskip("accelerate")
    name = f"transformers:{home[0] / 'clip'}"
    offloaded, half = load_space(name, device="cpu", offload=True), load_space(name, device="cpu", dtype="bfloat16")
    assert offloaded.stamp == half.stamp == spaces["clip"].stamp
    points = spaces["clip"].encode_images(photograph)
    assert np.allclose(offloaded.encode_images(photograph).vectors, points.vectors, atol=1e-6)
    assert float((half.encode_images(photograph).unit * points.unit).sum()) > 0.999


def test_a_folder_is_recognised_and_a_wrong_kind_says_what_to_write(home, spaces, tmp_path):
    folder = home[0] / "clip"
    assert load_space(folder, device="cpu").stamp == spaces["clip"].stamp
    clip = tiny.clip(tmp_path / "open_clip").removeprefix("local-dir:")
    with pytest.raises(CheckpointError, match="write 'local-dir:' before it"):
        load_space(f"transformers:{clip}", device="cpu")
    with pytest.raises(InputError, match="is a folder; write 'local-dir:'"):
        load_space(str(folder), device="cpu")
    with pytest.raises(CheckpointError, match="there is no such folder"):
        load_space("transformers:/no/folder", device="cpu")


def test_a_repository_is_read_from_the_cache(home, spaces, tmp_path, monkeypatch):
    cache = hub.use(tmp_path / "cache", monkeypatch)
    hub.put(cache, home[0] / "siglip", "somebody/siglip", hub.BRANCH, "main")
    assert load_space("transformers:somebody/siglip", device="cpu").stamp == spaces["siglip"].stamp
    with pytest.raises(CheckpointError, match="'nobody/siglip' is not in the local cache"):
        load_space("transformers:nobody/siglip", device="cpu")


def test_an_image_encoder_beside_its_processor_of_2022_is_read(home, spaces, tmp_path):
    tiny_transformers.clip_vision(tmp_path / "image_encoder", home[1]["clip"])
    path = tmp_path / "image_encoder" / "preprocessor_config.json"
    written = json.loads(path.read_text())
    path.unlink()
    old = {
        key: written[key]
        for key in ("do_center_crop", "do_normalize", "do_resize", "image_mean", "image_std", "resample")
    }
    old |= {"size": 32, "crop_size": 32, "feature_extractor_type": "CLIPFeatureExtractor"}
    (tmp_path / "feature_extractor").mkdir()
    (tmp_path / "feature_extractor" / "preprocessor_config.json").write_text(json.dumps(old))
    function, whole = load_space(f"transformers:{tmp_path}", device="cpu").stamp.function, spaces["clip"].stamp.function
    for name in ("image_size", "mean", "std", "resize_mode", "interpolation"):
        assert getattr(function, name) == getattr(whole, name)


@pytest.mark.parametrize(
    ("kind", "file", "values", "error", "told"),
    [
        ("clip", "preprocessor_config.json", {"image_mean": None}, CheckpointError, "image_mean.*write there"),
        ("clip", "preprocessor_config.json", {"size": None}, CheckpointError, "expected .*size.*write there"),
        ("clip", "preprocessor_config.json", {"do_normalize": False}, CheckpointError, "do_normalize"),
        ("clip", "preprocessor_config.json", {"do_center_crop": False}, CheckpointError, "centre crop"),
        ("clip", "preprocessor_config.json", {"resample": 0}, CheckpointError, "resample"),
        ("siglip", "preprocessor_config.json", {"size": {"height": 48, "width": 48}}, CheckpointError, "could not read"),
        ("siglip", "tokenizer_config.json", {"model_max_length": 7}, CheckpointError, "padded to 12 tokens"),
        ("dinov2", "config.json", {"model_type": "siglip2"}, CapabilityError, "NaFlex.*fixed resolution"),
        ("dinov2", "config.json", {"model_type": "vit_mae"}, CapabilityError, "model_type out of"),
        ("dinov2", "preprocessor_config.json", {"image_processor_type": "ConvNextImageProcessor"}, CheckpointError, "ConvNext"),
    ],
)  # fmt: skip
def test_what_is_not_said_or_not_known_is_refused(copied, kind, file, values, error, told):
    with pytest.raises(error, match=told):
        load_space(f"transformers:{copied(kind, file, **values)}", device="cpu")


def test_a_tokenizer_that_ends_texts_otherwise_is_refused(copied):
    """Its model would pool the first token of every text, without a word."""
    folder = copied("clip", "config.json")
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["eos_token_id"] = 300
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="ends a text by token 513, but its text_config says eos_token_id 300"):
        load_space(f"transformers:{folder}", device="cpu")


def test_a_model_of_timm_is_an_encoder_of_images(tmp_path, photograph):
    torch.manual_seed(0)
    made = timm.create_model("test_vit", num_classes=0).eval()
    timm.models.save_for_hf(made, tmp_path / "vit", safe_serialization=True)
    space = load_space(f"timm:local-dir:{tmp_path / 'vit'}", device="cpu")
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(made))
    with torch.no_grad():
        theirs = made(transform(photograph)[None])
    assert np.allclose(space.encode_images(photograph).vectors, theirs, atol=1e-5)
    assert space.stamp.function.pooling == "image token"
    with pytest.raises(CapabilityError, match="images alone"):
        space.encode_texts("a cat")
    with pytest.raises(CheckpointError, match="timm could not load it"):
        load_space("timm:no_such_model", device="cpu")


def test_an_untrained_twin_has_fresh_weights_and_the_same_preparation(home, spaces, photograph):
    twins = [untrained_space(home[0] / "clip", seed=seed, device="cpu") for seed in (0, 0, 1)]
    assert twins[0].stamp == twins[1].stamp != twins[2].stamp
    assert twins[0].stamp.weights != spaces["clip"].stamp.weights
    assert twins[0].stamp.preprocess == spaces["clip"].stamp.preprocess
    assert twins[0].encode_images(photograph).vectors.shape == (1, 32)
    with pytest.raises(InputError, match=r"encode_with_timm\(pretrained=False\)"):
        untrained_space("timm:test_vit", seed=0)
