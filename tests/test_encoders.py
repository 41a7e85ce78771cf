"""Encoders of every open_clip kind, against open_clip itself; preprocessing that is stated, never guessed."""

import json
from dataclasses import replace

import numpy as np
import open_clip
import pytest
import tiny
import torch
from PIL import Image
from safetensors.torch import save_file

from clipspace import load_space
from clipspace.errors import CheckpointError, InputError, OutOfMemoryError, SpaceMismatchError
from clipspace.models.catalogue import CATALOGUE
from clipspace.models.clip import Preprocess
from clipspace.points.embeddings import concatenate
from clipspace.points.store import append, write_store

RESNET = {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None}
OPENAI = Preprocess((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711), activation="gelu")


@pytest.fixture(scope="module")
def wide():
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 90, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    return tiny.clip(tmp_path_factory.mktemp("vit") / "clip")


def _resnet(folder):
    config = json.loads(json.dumps(tiny.CLIP))
    config["model_cfg"]["vision_cfg"] = RESNET
    model = open_clip.model.CLIP(**config["model_cfg"])
    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return f"local-dir:{folder}"


@pytest.mark.parametrize("kind", ["vit", "resnet"])
def test_embeddings_are_open_clip_s(kind, vit, wide, tmp_path):
    name = vit if kind == "vit" else _resnet(tmp_path / "resnet")
    space = load_space(name, device="cpu")
    model, preprocess = open_clip.create_model_from_pretrained(name)
    with torch.no_grad():
        image = model.eval().encode_image(preprocess(wide)[None])
        text = model.encode_text(open_clip.get_tokenizer(name)(["a cat"]))
    assert np.allclose(space.encode_images(wide).vectors, image, atol=1e-5)
    assert np.allclose(space.encode_texts("a cat").vectors, text, atol=1e-5)


def test_resize_modes_differ_in_their_stamp_and_do_not_mix(vit, wide, tmp_path):
    shortest, squash = (load_space(vit, device="cpu", resize_mode=mode) for mode in ("shortest", "squash"))
    a, b = shortest.encode_images(wide), squash.encode_images(wide)
    assert not np.allclose(a.vectors, b.vectors, atol=1e-3)
    with pytest.raises(SpaceMismatchError):
        concatenate([a, b])
    store = write_store(tmp_path / "store", a)
    with pytest.raises(SpaceMismatchError, match=b.stamp.preprocess[:8]):
        append(store.path, b)
    by_hand = squash.encode_images(wide.resize((32, 32), Image.Resampling.BICUBIC))
    assert np.allclose(b.vectors, by_hand.vectors, atol=1e-3)
    with pytest.raises(InputError, match="resize_mode"):
        load_space(vit, device="cpu", resize_mode="crop")


def test_a_resize_without_antialiasing_is_an_option_of_its_own(vit):
    """As sd-image-variations was trained: ToTensor, Resize((s, s), bicubic, antialias=False), Normalize."""
    large = Image.fromarray(np.random.default_rng(2).integers(0, 255, (300, 420, 3), dtype=np.uint8))
    aliased, squash = (load_space(vit, device="cpu", resize_mode=mode) for mode in ("squash-aliased", "squash"))
    assert aliased.stamp != squash.stamp
    assert aliased.stamp.weights == squash.stamp.weights
    pixels = torch.from_numpy(np.array(large)).permute(2, 0, 1)[None] / 255
    small = torch.nn.functional.interpolate(pixels, (32, 32), mode="bicubic", align_corners=False, antialias=False)
    visual = aliased.encoder.model.visual
    mean, std = (torch.tensor(v)[:, None, None] for v in (visual.image_mean, visual.image_std))
    seen = aliased.encoder.prepare(large)
    assert torch.allclose(seen, (small[0] - mean) / std, atol=1e-5)
    assert seen.std() > 2 * squash.encoder.prepare(large).std()  # noise is not averaged away
    with pytest.raises(SpaceMismatchError):
        concatenate([aliased.encode_images(large), squash.encode_images(large)])


def test_pixels_are_embedded_as_images_are(vit):
    encoder = load_space(vit, device="cpu").encoder
    picture = np.random.default_rng(1).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    pixels = torch.from_numpy(picture).permute(2, 0, 1)[None] / 255
    assert np.allclose(encoder.differentiable(pixels).numpy(), encoder.images([Image.fromarray(picture)]), atol=1e-5)


def test_a_bare_weights_file_needs_its_preprocessing(tmp_path):
    path = tmp_path / "b32.safetensors"
    model = open_clip.create_model("ViT-S-32-alt")
    save_file(model.state_dict(), path)
    with pytest.raises(InputError, match="does not say how images are prepared"):
        load_space(f"ViT-S-32-alt/{path}", device="cpu")
    space = load_space(f"ViT-S-32-alt/{path}", preprocess=OPENAI, device="cpu")
    assert space.stamp.dim == 256
    other = load_space(
        f"ViT-S-32-alt/{path}", preprocess=replace(OPENAI, mean=(0.5,) * 3, std=(0.5,) * 3), device="cpu"
    )
    assert other.stamp.weights == space.stamp.weights
    assert other.stamp.preprocess != space.stamp.preprocess


def test_wrong_weights_files_are_refused(vit, tmp_path):
    with pytest.raises(CheckpointError, match="can run code"):
        load_space(f"ViT-S-32-alt/{tmp_path / 'x.pt'}", preprocess=OPENAI, device="cpu")
    with pytest.raises(CheckpointError, match="no file"):
        load_space(f"ViT-S-32-alt/{tmp_path / 'x.safetensors'}", preprocess=OPENAI, device="cpu")
    with pytest.raises(InputError, match="leave preprocess out"):
        load_space(vit, preprocess=OPENAI, device="cpu")


def test_the_catalogue_is_whole():
    from clipspace.models.decoders import DECODERS

    for name, pairing in CATALOGUE.items():
        assert DECODERS[name].dim == pairing.dim
        assert DECODERS[name].licence == pairing.licence
        facts = pairing.describe()
        assert facts["local"] == ("yes" if name == "mini" else facts["local"])
        if name != "mini":
            assert pairing.clip in DECODERS[name].clip


def test_running_out_of_memory_names_what_to_lower(space, apple, monkeypatch):
    from clipspace.diffusion import sampling

    def full(*args, **options):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    points = space.encode_images(apple)
    monkeypatch.setattr(sampling, "sample", full)
    with pytest.raises(OutOfMemoryError, match=r"batch_size=8.*bfloat16.*offload"):
        space.decode(points, batch_size=8)


def test_offloading_draws_the_same(apple):
    pytest.importorskip("accelerate")
    plain, offloaded = (load_space("mini", device="cpu", offload=o) for o in (False, True))
    points = plain.encode_images(apple)
    a, b = (s.decode(points, num_inference_steps=2)[0] for s in (plain, offloaded))
    assert np.abs(np.asarray(a, int) - np.asarray(b, int)).max() <= 1


def test_a_picture_that_resizing_would_blow_up_is_refused(space):
    with pytest.raises(InputError, match="100000 x 1 grows too large"):
        space.encode_images(np.zeros((1, 100_000, 3), np.uint8))


def test_text_tokens_pool_to_the_embedding(space):
    encoder = space.encoder
    pooled, hidden = encoder.text_tokens(["a red apple", "a cat"])
    assert np.allclose(pooled.numpy(), encoder.texts(["a red apple", "a cat"]), atol=1e-5)
    tokens = encoder.text_tower.tokenizer(["a red apple", "a cat"])
    assert torch.equal(hidden.abs().sum(-1) > 0, tokens != 0)
    ends = hidden[torch.arange(2), tokens.argmax(dim=-1)]
    assert torch.allclose(ends @ encoder.model.text_projection, pooled, atol=1e-4)


def test_a_local_folder_may_have_an_at_sign(tmp_path):
    from clipspace.models.catalogue import locate

    folder = tmp_path / "me@host"
    folder.mkdir()
    assert locate(folder) == (folder, None)
    assert locate(f"karlo@{folder}") == (folder, "karlo")
