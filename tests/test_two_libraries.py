"""One CLIP through open_clip and through transformers: the same vectors and images, and stamps that are told apart."""

from dataclasses import replace

import numpy as np
import pytest
import tiny
import tiny_transformers
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from clipspace import load_space
from clipspace.errors import SpaceMismatchError
from clipspace.models.decoders import DECODERS, check_serves
from clipspace.points.embeddings import Embeddings, concatenate


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("libraries")
    whole = tiny_transformers.clip(folder / "transformers")
    tiny_transformers.clip_vision(folder / "vision", whole)
    tiny_transformers.as_open_clip(folder / "open_clip", whole)
    tiny.kandinsky(folder / "kandinsky")
    return folder


@pytest.fixture(scope="module")
def ids(home):
    return {
        "open_clip": f"local-dir:{home / 'open_clip'}",
        "transformers": f"transformers:{home / 'transformers'}",
        "vision": f"transformers:{home / 'vision'}",
    }


@pytest.fixture(scope="module")
def spaces(home, ids):
    return {name: load_space(i, decoder=home / "kandinsky", device="cpu") for name, i in ids.items()}


@pytest.fixture(scope="module")
def images():
    photograph = tiny_transformers.photograph().resize((300, 200))  # an even crop, see the last test
    return [photograph, photograph.transpose(Image.Transpose.ROTATE_90)]


def test_vectors_are_the_same(spaces, images):
    points = {name: space.encode_images(images) for name, space in spaces.items()}
    for name in ("transformers", "vision"):
        assert np.allclose(points[name].vectors, points["open_clip"].vectors, atol=1e-5)
    texts = ["a photo of a cat", "it's red"]
    a, b = (spaces[name].encode_texts(texts).vectors for name in ("open_clip", "transformers"))
    assert np.allclose(a, b, atol=1e-5)


def test_a_decoder_draws_the_same_image(spaces, images):
    drawn = [s.decode(s.encode_images(images[0]), seed=0, num_inference_steps=2)[0] for s in spaces.values()]
    for other in drawn[1:]:
        assert np.abs(np.asarray(drawn[0], int) - np.asarray(other, int)).max() <= 1


def test_the_stamps_are_told_apart_and_the_error_says_that_they_compute_alike(spaces, images):
    open_clip, vision = spaces["open_clip"], spaces["vision"]
    points = vision.encode_images(images)
    for doing in (lambda: open_clip.decode(points), lambda: concatenate([open_clip.encode_images(images), points])):
        with pytest.raises(
            SpaceMismatchError, match="the library that computes them, though both make the same vectors"
        ):
            doing()
    given = Embeddings(points.vectors, open_clip.stamp)
    assert len(open_clip.decode(given, num_inference_steps=1)) == 2


@pytest.mark.parametrize("name", ["transformers", "vision"])
def test_a_decoder_that_was_trained_for_one_takes_the_other(name, spaces):
    """By what they make of a few images; a prior that is given texts wants these, too."""
    facts, stamp = DECODERS["mini"], spaces["open_clip"].stamp
    check_serves(spaces[name].encoder, facts, tiny.DIM, stamp)
    if name == "transformers":
        check_serves(spaces[name].encoder, facts, tiny.DIM, stamp, of_texts=True)
    else:
        with pytest.raises(SpaceMismatchError, match="was trained for"):
            check_serves(spaces[name].encoder, facts, tiny.DIM, stamp, of_texts=True)


def test_another_clip_is_refused_by_what_it_computes(spaces, home, tmp_path):
    stamp = spaces["open_clip"].stamp
    (tmp_path / "vision").mkdir()
    for path in (home / "vision").iterdir():
        (tmp_path / "vision" / path.name).write_bytes(path.read_bytes())
    weights = load_file(home / "vision" / "model.safetensors")
    weights["visual_projection.weight"] *= 1.01
    save_file(weights, tmp_path / "vision" / "model.safetensors", metadata={"format": "pt"})
    other = load_space(f"transformers:{tmp_path / 'vision'}", device="cpu")
    with pytest.raises(SpaceMismatchError, match="was trained for"):
        check_serves(other.encoder, DECODERS["mini"], tiny.DIM, stamp)
    with pytest.raises(SpaceMismatchError, match="differ in their weights"):
        concatenate([Embeddings(np.ones((1, 32)), stamp), Embeddings(np.ones((1, 32)), other.stamp)])


def test_weights_of_one_library_are_told_apart_however_alike_they_compute(spaces):
    """The fingerprint decides between libraries alone."""
    stamp = spaces["transformers"].stamp
    touched = replace(stamp, weights="0" * 16)
    with pytest.raises(SpaceMismatchError, match="was trained for"):
        check_serves(spaces["transformers"].encoder, DECODERS["mini"], tiny.DIM, touched)


def test_a_crop_of_an_odd_number_of_pixels_is_one_apart(spaces, rng):
    """torchvision rounds half a pixel to the even side, transformers down: no fingerprint shows it."""
    odd = Image.fromarray(rng.integers(0, 255, (32, 35, 3), dtype=np.uint8))
    ours, theirs = (spaces[name].encoder.prepare(odd) for name in ("open_clip", "transformers"))
    assert torch.allclose(ours[:, :, :-1], theirs[:, :, 1:], atol=1e-5)
    assert not torch.allclose(ours, theirs, atol=0.1)
