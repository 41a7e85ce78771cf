import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipspace import Embeddings, load_space
from clipspace.diffusion import inversion
from clipspace.errors import CapabilityError, CheckpointError, ConvergenceWarning, InputError, SpaceMismatchError
from clipspace.models.catalogue import MINI
from clipspace.models.reading import TruncationWarning
from clipspace.points.embeddings import Stamp
from clipspace.scenes import render, sample_scenes
from clipspace.sources.images import psnr


@pytest.fixture(scope="module")
def pictures():
    return [render(scene) for scene in sample_scenes(4, seed=2024)]


@pytest.fixture(scope="module")
def points(space, pictures):
    return space.encode_images(pictures)


def test_encoding_equals_open_clip(space, pictures, points):
    import open_clip
    import torch

    model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{MINI / 'clip'}")
    with torch.no_grad():
        expected = model.eval().encode_image(torch.stack([preprocess(p) for p in pictures])).numpy()
    assert np.allclose(points.vectors, expected, rtol=1e-4, atol=1e-3)
    assert points.stamp == space.stamp
    assert points.norm.min() > 2


def test_encoding_does_not_depend_on_the_batch(space, pictures, points):
    alone = np.concatenate([space.encode_images(p).vectors for p in pictures])
    cosine = np.einsum("nd,nd->n", points.unit, alone / np.linalg.norm(alone, axis=1, keepdims=True))
    assert (cosine > 1 - 1e-6).all()


def test_deterministic_vectors_are_the_same_to_the_bit_whatever_came_with_them(space, pictures):
    how = {"batch_size": 8, "deterministic": True}
    together = space.encode_images(pictures, **how).vectors
    np.testing.assert_array_equal(together, np.concatenate([space.encode_images(p, **how).vectors for p in pictures]))


def test_matching_texts_are_nearer(space, apple, house):
    texts = space.encode_texts(["a photo of a red apple", "a photo of a blue house"])
    similarity = space.encode_images([apple, house]).unit @ texts.unit.T
    assert similarity[0, 0] > similarity[0, 1]
    assert similarity[1, 1] > similarity[1, 0]


def test_long_texts_say_what_was_cut(space):
    with pytest.warns(TruncationWarning, match="tail"):
        space.encode_texts("red " * 40 + "tail")


def test_many_long_texts_are_one_warning(space):
    with pytest.warns(TruncationWarning, match="tail.*2 more") as caught:
        space.encode_texts(["a star", *["red " * 40 + word for word in ("tail", "end", "rest")]])
    assert len(caught) == 1


@pytest.mark.parametrize("text", ["", "   "])
def test_empty_texts_are_refused(space, text):
    with pytest.raises(InputError, match="at least one word"):
        space.encode_texts([text])


def test_what_is_no_text_is_refused(space):
    for wrong, message in ((["a star", 1], "got 1, which is no text"), (Path("a.png"), "a sequence of values")):
        with pytest.raises(InputError, match=message):
            space.encode_texts(wrong)


def test_nothing_to_encode_is_refused(space):
    with pytest.raises(InputError, match="at least one image"):
        space.encode_images([])


def test_decoding_is_deterministic_and_does_not_depend_on_the_batch(quick, points):
    settings = {"seed": 5, "num_inference_steps": 4}
    together = quick.decode(points, **settings)
    assert [np.array_equal(a, b) for a, b in zip(together, quick.decode(points, **settings), strict=True)] == [True] * 4
    apart = quick.decode(points, **settings, batch_size=1)
    assert min(psnr(a, b) for a, b in zip(together, apart, strict=True)) > 45
    assert not np.array_equal(together[0], quick.decode(points, seed=6, num_inference_steps=4)[0])


def test_eta_changes_pixels_and_keeps_the_embedding(space, pictures, points):
    pictures, points = pictures[:2], points[:2]
    noise = space.invert(pictures, num_inference_steps=10, method="ddim").noise
    plain = space.decode(points, noise=noise, num_inference_steps=10)
    varied = space.decode(points, noise=noise, num_inference_steps=10, eta=0.5)
    assert max(psnr(a, b) for a, b in zip(plain, varied, strict=True)) < 40
    assert np.einsum("nd,nd->n", space.encode_images(varied).unit, points.unit).min() > 0.6


def test_decoding_depends_on_direction_alone(quick, points):
    shorter = points.with_vectors(points.vectors * 0.01)
    a, b = (quick.decode(p, seed=1, num_inference_steps=4)[0] for p in (points, shorter))
    assert psnr(a, b) > 45


@pytest.mark.parametrize("which", ["quick", pytest.param("space", marks=pytest.mark.slow)])
def test_exact_inversion_gives_the_image_back_where_ddim_does_not(which, request, pictures, points):
    space, found = request.getfixturevalue(which), {}
    for method in ("exact", "ddim"):
        code = space.invert(pictures[:1], embeddings=points[:1], num_inference_steps=25, method=method)
        found[method] = [
            psnr(a, b) for a, b in zip(pictures, space.decode(code.embeddings, **code.settings), strict=False)
        ]
    assert min(found["exact"]) > 35
    assert min(found["exact"]) > max(found["ddim"])


@pytest.mark.parametrize("which", ["quick", pytest.param("space", marks=pytest.mark.slow)])
def test_the_approximate_inversion_improves_with_steps(which, request, pictures, points):
    space, found = request.getfixturevalue(which), []
    for steps in (4, 10, 25):
        code = space.invert(pictures[:2], embeddings=points[:2], num_inference_steps=steps, method="ddim")
        back = space.decode(code.embeddings, **code.settings)
        found.append(np.mean([psnr(a, b) for a, b in zip(pictures, back, strict=False)]))
    assert found == sorted(found)
    assert found[2] > found[0] + 3


def test_any_vector_of_the_right_stamp_is_decoded(space):
    """One that no encoder gave: of a feature, an adapter, a mean."""
    vector = np.random.default_rng(0).normal(size=(1, space.stamp.dim))
    assert len(space.decode(Embeddings(vector, space.stamp), num_inference_steps=2)) == 1


@pytest.mark.parametrize(
    ("dtype", "finer"), [("bfloat16", "float32"), ("float32", "float64"), ("float64", "another number")]
)
def test_an_inversion_that_does_not_converge_says_which_precision_would(
    pictures, quick_decoder, monkeypatch, dtype, finer
):
    monkeypatch.setattr(inversion, "CONVERGED", 1e-20)
    monkeypatch.setattr(inversion, "FIRST_TOLERANCE", 1.0)  # every step is content with its first guess
    monkeypatch.setattr(inversion, "RESTART_TOLERANCE", dict.fromkeys(inversion.RESTART_TOLERANCE, 1.0))
    with pytest.warns(ConvergenceWarning, match=rf"images \[0\].*{finer}"):
        load_space("mini", decoder=quick_decoder, device="cpu", dtype=dtype).invert(pictures[:1], num_inference_steps=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_inference_steps": -1}, "num_inference_steps"),
        ({"eta": 2.0}, "eta"),
        ({"seed": -1}, "seed"),
        ({"noise": np.zeros((3, 2))}, "noise of shape"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_decode_refuses_wrong_options(space, points, options, message):
    with pytest.raises(InputError, match=message):
        space.decode(points, **options)


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_decode_refuses_vectors_without_a_direction(space, points, value):
    with pytest.raises(InputError, match="row 2"):
        space.decode(points.with_vectors(np.where(np.arange(4)[:, None] == 2, value, points.vectors)))


def test_decode_refuses_points_of_another_space(space, points):
    other = Stamp("other", "0" * 16, "0" * 16, 128)
    with pytest.raises(SpaceMismatchError, match="other"):
        space.decode(Embeddings(points.vectors, other))
    with pytest.raises(SpaceMismatchError, match="no stamp"):
        space.decode(Embeddings(points.vectors))
    with pytest.raises(InputError, match="ndarray"):
        space.decode(points.vectors)


def test_invert_wants_an_embedding_for_each_image(space, pictures, points):
    with pytest.raises(InputError, match="one embedding for each"):
        space.invert(pictures[:2], embeddings=points)


def test_prior_draws_image_embeddings_nearer_than_the_text_itself(space):
    scenes = sample_scenes(16, seed=2025, layout="one")
    texts = [f"a photo of a {s.things[0].color} {s.things[0].kind} on a {s.ground} ground" for s in scenes]
    true, text = space.encode_images([render(s) for s in scenes]).unit, space.encode_texts(texts)
    drawn = space.prior(text, seed=0)
    assert drawn.modality == "prior"
    assert np.array_equal(drawn.vectors, space.prior(texts, seed=0).vectors)
    assert np.einsum("nd,nd->n", drawn.unit, true).mean() > np.einsum("nd,nd->n", text.unit, true).mean()
    with pytest.raises(InputError, match="text embeddings"):
        space.prior(drawn)


@pytest.fixture
def folder(tmp_path):
    for part in ("clip", "decoder", "prior"):
        shutil.copytree(MINI / part, tmp_path / part)
    return tmp_path


def test_a_local_folder_loads_as_the_same_space(folder, space):
    local = load_space(f"local-dir:{folder / 'clip'}", decoder=folder / "decoder", device="cpu")
    assert local.stamp == space.stamp  # whatever they are called: the weights decide
    assert local.stamp.model != space.stamp.model
    assert local.decoder is not None
    with pytest.raises(CapabilityError, match="no prior"):
        local.prior("a cat")
    encoder_only = load_space(f"local-dir:{folder / 'clip'}", device="cpu")
    with pytest.raises(CapabilityError, match="no decoder"):
        encoder_only.decode(encoder_only.encode_images(Image.new("RGB", (64, 64))))


def test_half_precision_is_the_same_space(space, apple):
    """The mini decoder and prior name the CLIP that they are of, at whatever precision it runs."""
    half = load_space("mini", device="cpu", dtype="bfloat16")
    assert half.stamp == space.stamp
    points = half.encode_images(apple)
    assert (points.unit @ space.encode_images(apple).unit.T).item() > 0.99
    (image,) = half.decode(points, seed=0, num_inference_steps=8)
    (expected,) = space.decode(points, seed=0, num_inference_steps=8)
    assert psnr(image, expected) > 20
    assert half.prior("a red apple", num_inference_steps=2).stamp == space.stamp


@pytest.mark.slow
def test_float64_is_the_same_space_and_holds_longer_codes(space, apple):
    double = load_space("mini", device="cpu", dtype="float64")
    points = double.encode_images(apple)
    assert double.stamp == space.stamp
    assert np.allclose(points.vectors, space.encode_images(apple).vectors, atol=1e-4)
    code = double.invert(apple, num_inference_steps=10)
    assert code.noise.dtype == np.float64
    (again,) = double.decode(code.embeddings, **code.settings)
    assert psnr(again, apple) > 50
    assert double.prior("a red apple", num_inference_steps=2).stamp == space.stamp


def test_a_decoder_of_another_clip_is_refused(folder):
    index = folder / "decoder" / "model_index.json"
    facts = json.loads(index.read_text())
    del facts["clip"]  # as in folders of 0.1, which had a digest of the weights alone
    index.write_text(json.dumps(facts | {"clip_weights": "feedfeedfeedfeed"}))
    with pytest.raises(SpaceMismatchError, match="feedfeed"):
        load_space("mini", decoder=folder / "decoder", device="cpu")


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("clip/open_clip_model.safetensors", "corrupt|could not load"),
        ("clip/open_clip_config.json", "valid JSON"),
        ("decoder/model_index.json", "valid JSON"),
        ("decoder/unet/diffusion_pytorch_model.safetensors", "could not read"),
        ("decoder/unet/config.json", "could not read"),
        ("decoder/scheduler/scheduler_config.json", "scheduler"),
        ("prior/prior/diffusion_pytorch_model.safetensors", "could not read"),
    ],
)
@pytest.mark.parametrize("how", ["truncated", "missing"])
def test_a_broken_checkpoint_is_named(folder, broken, message, how):
    path = folder / broken
    content = path.read_bytes()
    path.unlink()
    if how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match=message if how == "truncated" else path.parent.name):
        load_space(f"local-dir:{folder / 'clip'}", decoder=folder / "decoder", prior=folder / "prior", device="cpu")


def test_missing_weights_are_not_made_up(folder):
    from safetensors.torch import load_file, save_file

    path = folder / "decoder/unet/diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    weights.pop("conv_in.weight")
    save_file(weights, path)
    with pytest.raises(CheckpointError, match=r"conv_in\.weight"):
        load_space("mini", decoder=folder / "decoder", device="cpu")


@pytest.mark.parametrize(("name", "error"), [("nonsense", InputError), ("ViT-nonsense/openai", CheckpointError)])
def test_unknown_spaces_are_refused(name, error):
    with pytest.raises(error, match="nonsense"):
        load_space(name, device="cpu")
    with pytest.raises(InputError, match="float64"):
        load_space("mini", dtype="float8")
    with pytest.raises(InputError, match=r"expected one of .*cpu.*'abacus'"):
        load_space("mini", device="abacus")
    with pytest.raises(InputError, match="Apple"):
        load_space("mini", dtype="float64", device="mps")


def test_the_prior_draws_the_same_in_batches(space):
    texts = ["a red apple", "a blue house", "a green star"]
    whole, parts = (space.prior(texts, seed=3, num_inference_steps=3, batch_size=size) for size in (64, 2))
    assert np.allclose(whole.vectors, parts.vectors, atol=1e-4)
