"""The image encoder that comes with a pipeline, in place of the whole CLIP; its prior reads the texts."""

import hub
import numpy as np
import pytest
import tiny_transformers
import torch
from diffusers import KandinskyV22PriorPipeline, StableUnCLIPImg2ImgPipeline
from PIL import Image
from transformers import CLIPImageProcessor

from clipspace import load_space
from clipspace.errors import CapabilityError, CheckpointError
from clipspace.models.catalogue import CATALOGUE
from clipspace.probes.classification import zero_shot

_REPOSITORIES = tuple(
    f"{owner}/{name}"
    for owner, name in (
        ("kandinsky-community", "kandinsky-2-2-decoder"), ("kandinsky-community", "kandinsky-2-2-prior"),
        ("sd2-community", "stable-diffusion-2-1-unclip"), ("kakaobrain", "karlo-v1-alpha"),
    )
)  # fmt: skip


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("published")


@pytest.fixture
def cache(tmp_path, scratch, monkeypatch):
    """Without a CLIP."""
    cache = hub.use(tmp_path / "hub", monkeypatch)
    hub.put_all(cache, scratch, _REPOSITORIES)
    return cache


@pytest.fixture(scope="module")
def photograph():
    return tiny_transformers.photograph()


def _theirs(pipeline, small):
    """Of an image of the size that the encoder sees, which no step resizes or crops."""
    pixels = CLIPImageProcessor(size=32, crop_size=32)(images=small, return_tensors="pt").pixel_values
    with torch.no_grad():
        return pipeline.image_encoder(pixels).image_embeds.numpy()


def test_kandinsky_reads_images_by_the_encoder_of_its_prior_and_texts_by_its_text_encoder(cache, scratch, photograph):
    space = load_space("kandinsky-2.2", encoder="image_encoder", device="cpu")
    pipeline = KandinskyV22PriorPipeline.from_pretrained(scratch / CATALOGUE["kandinsky-2.2"].prior.replace("/", "--"))
    points = space.encode_images(photograph)
    centre = photograph.resize((47, 32), Image.Resampling.BICUBIC).crop((7, 0, 39, 32))
    assert np.allclose(points.vectors, _theirs(pipeline, centre), atol=1e-5)
    words = pipeline.tokenizer(["a cat"], padding="max_length", max_length=77, return_tensors="pt")
    with torch.no_grad():
        embeds = pipeline.text_encoder(words.input_ids).text_embeds
    assert np.allclose(space.encode_texts("a cat").vectors, embeds, atol=1e-5)
    drawn = space.prior(["a cat"], seed=0, num_inference_steps=2)
    assert drawn.stamp == points.stamp
    assert len(space.decode(drawn, seed=0, num_inference_steps=2)) == 1


def test_without_a_prior_texts_raise_and_images_are_the_same_space(cache, photograph):
    alone = load_space("kandinsky-2.2", encoder="image_encoder", prior=False, device="cpu")
    with pytest.raises(CapabilityError, match="its prior, which reads texts"):
        alone.encode_texts("a cat")
    both = load_space("kandinsky-2.2", encoder="image_encoder", device="cpu")
    assert alone.stamp == both.stamp
    with pytest.raises(CapabilityError, match="hold none; load the whole model for probabilities"):
        zero_shot(both, [photograph], ["a cat", "a dog"])


def test_stable_unclip_brings_its_image_encoder_with_the_decoder(cache, scratch, photograph):
    space = load_space("stable-unclip-h", encoder="image_encoder", device="cpu")
    pipeline = StableUnCLIPImg2ImgPipeline.from_pretrained(scratch / "sd2-community--stable-diffusion-2-1-unclip")
    assert space.stamp.function.resize_mode == "squash"  # as the decoder was trained
    small = photograph.resize((32, 32), Image.Resampling.BICUBIC)
    assert np.allclose(space.encode_images(photograph).vectors, _theirs(pipeline, small), atol=1e-5)


def test_a_pipeline_without_an_image_encoder_is_named(cache):
    with pytest.raises(
        CheckpointError, match=r"expected a part 'image_encoder' in one of .*karlo-v1-alpha.*leave encoder out"
    ):
        load_space("karlo", encoder="image_encoder", device="cpu")


def test_any_encoder_can_stand_in_for_that_of_a_name(cache, tmp_path):
    tiny_transformers.clip(tmp_path / "clip")
    space = load_space("kandinsky-2.2", encoder=f"transformers:{tmp_path / 'clip'}", prior=False, device="cpu")
    assert space.name == "kandinsky-2.2"
    assert space.stamp.model == f"transformers:{tmp_path / 'clip'}"
    assert space.decoder.facts.name == "kandinsky-2.2"
