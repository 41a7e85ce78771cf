"""Models and pipelines that a program holds: the same as from their folders, used as they are."""

import numpy as np
import open_clip
import pytest
import tiny
import tiny_transformers
import torch
from diffusers import DDPMPipeline, DDPMScheduler, StableDiffusionPipeline, UNet2DModel
from transformers import AutoImageProcessor, AutoProcessor

from clipspace import load_space
from clipspace.errors import CheckpointError, InputError

PIPELINES = ("kandinsky", "kandinsky_21", "stable_unclip", "image_variations", "karlo")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("objects")
    pipelines = tiny.decoders(folder)
    pipelines["kandinsky_prior"] = tiny.kandinsky_prior(folder / "kandinsky_prior")
    return folder, pipelines


@pytest.fixture(scope="module")
def clip(home):
    return load_space(f"local-dir:{home[0] / 'clip'}", device="cpu")


@pytest.fixture(scope="module")
def photograph():
    return tiny_transformers.photograph()


def _open_clip(home):
    name = f"local-dir:{home[0] / 'clip'}"
    return (*open_clip.create_model_from_pretrained(name), open_clip.get_tokenizer(name))


def _drawn(space, points):
    return np.asarray(space.decode(points, seed=0, num_inference_steps=2)[0], int)


def test_a_model_of_open_clip_is_the_space_of_its_folder(home, clip, photograph):
    given = _open_clip(home)
    space = load_space(given)
    assert space.encoder.model is given[0]
    assert space.stamp == clip.stamp
    assert np.allclose(space.encode_images(photograph).vectors, clip.encode_images(photograph).vectors, atol=1e-6)
    assert np.allclose(space.encode_texts("a cat").vectors, clip.encode_texts("a cat").vectors, atol=1e-6)


def test_a_model_of_transformers_reads_by_its_own_processor(tmp_path, photograph):
    model = tiny_transformers.clip(tmp_path / "clip")
    processor = AutoProcessor.from_pretrained(tmp_path / "clip")
    space = load_space((model, processor))
    assert space.encoder.model is model
    assert space.name == "object:CLIPModel"
    assert space.stamp == load_space(f"transformers:{tmp_path / 'clip'}", device="cpu").stamp
    inputs = processor(images=photograph, text=["a cat"], return_tensors="pt", padding="max_length", max_length=20)
    with torch.no_grad():
        out = model(**inputs)
    assert np.allclose(space.encode_images(photograph).unit, out.image_embeds, atol=1e-5)
    assert np.allclose(space.encode_texts("a cat").unit, out.text_embeds, atol=1e-5)


def test_a_model_of_images_alone_takes_an_image_processor(tmp_path, photograph):
    model = tiny_transformers.dinov2(tmp_path / "dinov2")
    space = load_space((model, AutoImageProcessor.from_pretrained(tmp_path / "dinov2")))
    assert space.encode_images(photograph).vectors.shape == (1, 32)


def test_an_encoder_is_used_as_it_is(home, clip):
    space = load_space(clip.encoder, decoder=home[0] / "kandinsky")
    assert space.encoder is clip.encoder
    assert space.name == clip.name


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_draws_as_its_folder_does(home, clip, photograph, name):
    folder, pipeline = home[0] / name, home[1][name]
    points = clip.encode_images(photograph)
    from_folder, held = (load_space(clip.encoder, decoder=place) for place in (folder, pipeline))
    assert np.array_equal(_drawn(held, points), _drawn(from_folder, points))
    unet = pipeline.components.get("unet") or pipeline.decoder
    assert held.decoder.unet is unet
    assert held.decoder.schedule.prediction == from_folder.decoder.schedule.prediction


def test_options_of_decoders_hold_for_pipelines(home, clip, photograph):
    points = clip.encode_images(photograph)
    options = {"decoder_options": {"noise_level": 200}}
    places = home[0] / "stable_unclip", home[1]["stable_unclip"]
    a, b = (_drawn(load_space(clip.encoder, decoder=place, **options), points) for place in places)
    assert np.array_equal(a, b)
    assert not np.array_equal(a, _drawn(load_space(clip.encoder, decoder=places[0]), points))


def test_a_prior_may_be_a_pipeline(home, clip):
    spaces = [load_space(clip.encoder, prior=p) for p in (home[0] / "kandinsky_prior", home[1]["kandinsky_prior"])]
    a, b = (space.prior(["a cat"], seed=0, num_inference_steps=2).vectors for space in spaces)
    assert np.array_equal(a, b)
    assert spaces[1].prior_model.network is home[1]["kandinsky_prior"].prior


def test_a_pipeline_alone_is_a_space_with_its_image_encoder(home, photograph):
    pipeline = home[1]["stable_unclip"]
    space = load_space(pipeline)
    assert space.encoder.model is pipeline.image_encoder
    assert space.stamp.function.resize_mode == "squash"
    from_folder = load_space(
        "stable-unclip-h", decoder=home[0] / "stable_unclip", encoder="image_encoder", device="cpu"
    )
    assert space.stamp == from_folder.stamp
    assert _drawn(space, space.encode_images(photograph)).shape == (16, 16, 3)


def test_kandinsky_s_two_pipelines_are_a_space(home, photograph):
    decoder, prior = home[1]["kandinsky"], home[1]["kandinsky_prior"]
    space = load_space(decoder, prior=prior)
    assert space.encoder.model is prior.image_encoder
    points = space.prior(["a cat"], seed=0, num_inference_steps=2)
    assert points.stamp == space.encode_images(photograph).stamp
    assert _drawn(space, points).shape == (16, 16, 3)


def test_half_precision_stays_as_it_is_and_the_stamp_is_made_in_float32(tmp_path, photograph):
    model = tiny_transformers.clip(tmp_path / "clip").to(torch.bfloat16)
    before = [parameter.data_ptr() for parameter in model.parameters()]
    space = load_space((model, AutoProcessor.from_pretrained(tmp_path / "clip")))
    assert [parameter.data_ptr() for parameter in model.parameters()] == before
    assert space.encoder.dtype == torch.bfloat16
    rounded = load_space((model.float(), AutoProcessor.from_pretrained(tmp_path / "clip")))
    assert space.stamp == rounded.stamp
    assert space.stamp.function.fingerprint == rounded.stamp.function.fingerprint


def _other_pipeline():
    unet = UNet2DModel(
        sample_size=8, block_out_channels=(32,), down_block_types=("DownBlock2D",), up_block_types=("UpBlock2D",)
    )
    return DDPMPipeline(unet.eval(), DDPMScheduler())


def test_a_pipeline_of_another_class_is_one_clear_error(home, clip):
    with pytest.raises(
        CheckpointError, match=r"expected one of .*KandinskyV22Pipeline.* in 'the pipeline DDPMPipeline'"
    ):
        load_space(clip.encoder, decoder=_other_pipeline())
    with pytest.raises(CheckpointError, match=r"expected a prior, one of .* in 'the pipeline KandinskyV22Pipeline'"):
        load_space(clip.encoder, prior=home[1]["kandinsky"])
    with pytest.raises(CheckpointError, match="expected a part 'image_encoder'"):
        load_space(home[1]["kandinsky"])
    changed = StableDiffusionPipeline(**{
        "vae": home[1]["image_variations"].vae, "unet": home[1]["image_variations"].unet, "text_encoder": None, "tokenizer": None,
        "scheduler": home[1]["image_variations"].scheduler, "safety_checker": None, "feature_extractor": None,
        "requires_safety_checker": False,
    })  # fmt: skip
    with pytest.raises(CheckpointError, match="'the pipeline StableDiffusionPipeline'"):
        load_space(clip.encoder, decoder=changed)  # an IP-Adapter would change its UNet


def _training_transform(model):
    return open_clip.image_transform(32, True, mean=model.visual.image_mean, std=model.visual.image_std)


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("model alone", "pass the model with what belongs to it"),
        ("no model", "got a tuple of"),
        ("two transforms", "as open_clip.get_tokenizer returns"),
        ("transform of training", "prepares images otherwise"),
        ("transform of another model", "prepares images otherwise"),
        ("no processor", "expected a processor of images"),
        ("no tokenizer", "with a tokenizer"),
        ("two encoders", "got two encoders"),
        ("number", "expected a name, an encoder"),
        ("resize mode", "no resize_mode"),
        ("device", "on one device"),
    ],
)  # fmt: skip
def test_what_does_not_belong_together_is_refused(home, clip, tmp_path, what, told):
    model, transform, tokenizer = _open_clip(home)
    options = {}
    if what in ("no processor", "no tokenizer"):
        theirs = tiny_transformers.clip(tmp_path / "clip")
    given = {
        "model alone": lambda: model,
        "no model": lambda: (1, 2),
        "two transforms": lambda: (model, transform, transform),
        "transform of training": lambda: (model, _training_transform(model), tokenizer),
        "transform of another model": lambda: (model, open_clip.image_transform(32, False), tokenizer),
        "no processor": lambda: (theirs, AutoProcessor.from_pretrained(tmp_path / "clip").tokenizer),
        "no tokenizer": lambda: (theirs, AutoProcessor.from_pretrained(tmp_path / "clip").image_processor),
        "two encoders": lambda: clip.encoder,
        "number": lambda: 3,
        "resize mode": lambda: clip.encoder,
        "device": lambda: clip.encoder,
    }[what]()  # fmt: skip
    options |= {"two encoders": {"encoder": clip.encoder}, "resize mode": {"resize_mode": "squash"}}.get(what, {})
    options |= {"device": "meta"} if what == "device" else {}
    with pytest.raises(InputError, match=told):
        load_space(given, **options)


def test_a_pipeline_in_training_mode_is_refused(home, clip):
    pipeline = tiny.image_variations(home[0] / "training")
    pipeline.unet.train()
    with pytest.raises(InputError, match=r"'unet' of the pipeline .* is in training mode"):
        load_space(clip.encoder, decoder=pipeline)
