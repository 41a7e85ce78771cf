"""`train_decoder` from a store and its images: what comes out loads, and what cannot be trained on is refused before work."""

import io
import json
import shutil
from collections import namedtuple

import numpy as np
import pytest
import tiny
import torch
import trained
from command_line import run
from PIL import Image
from test_training import Clock

from clipspace import progress
from clipspace.errors import CapabilityError, InputError, SpaceMismatchError
from clipspace.measure.reciprocal_rank import chance_reciprocal_rank
from clipspace.models.image_tensors import as_pixels
from clipspace.points import sphere
from clipspace.points.embeddings import Embeddings
from clipspace.points.store import open_store, write_store
from clipspace.results.loading import load_result
from clipspace.seeds import stream
from clipspace.space import load_space
from clipspace.space.encoding import encode
from clipspace.training import decoder, loop, presets
from clipspace.training.batches import held_out
from clipspace.training.decoder import train_decoder
from clipspace.training.folder import training_alone
from clipspace.training.looking import look_of
from clipspace.training.showing import pixels_of
from clipspace.training.vectors import Standard

N = 1000


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return tiny.clip(tmp_path_factory.mktemp("clip") / "a")


@pytest.fixture(scope="module")
def place(tmp_path_factory, clip):
    """A folder of images that are not square, and the store of their embeddings."""
    folder = tmp_path_factory.mktemp("place")
    images, _ = trained.planted(N)
    (folder / "images").mkdir()
    for i, pixels in enumerate(images):
        Image.fromarray(pixels).resize((16, 12), Image.Resampling.NEAREST).save(folder / f"images/{i:04d}.png")
    space = load_space(clip, device="cpu")
    encode(space, folder / "images", folder / "store", batch_size=100, workers=1)
    return folder


@pytest.fixture
def quickly(monkeypatch):
    """Cards of 6 decodes in 3 steps, runs that are looked at once."""
    monkeypatch.setattr("clipspace.training.card.DECODED", 6)
    monkeypatch.setattr("clipspace.training.card.STEPS", 3)
    monkeypatch.setattr("clipspace.training.card.INVERTED", 2)
    monkeypatch.setattr("clipspace.training.card.INVERSION_STEPS", 5)
    monkeypatch.setattr(decoder, "_WATCHED", 3)
    monkeypatch.setattr(loop, "LOOKS", 1)


@pytest.fixture(scope="module")
def made(place, clip, tmp_path_factory):
    """A decoder of a few steps, and what was said of it."""
    said, folder = io.StringIO(), tmp_path_factory.mktemp("made") / "decoder"
    with pytest.MonkeyPatch.context() as patched:
        quickly.__wrapped__(patched)
        patched.setattr(loop.run, "__kwdefaults__", loop.run.__kwdefaults__ | {"clock": Clock(20.0)})
        given = {"source": place / "images", "encoder": clip, "preset": trained.TOY, "device": "cpu"}
        with progress.shown(stream=said):
            train_decoder(place / "store", folder, steps=8, **given)
    return folder, said.getvalue().splitlines()


def _train(place, output, **options):
    given = {"source": place / "images", "preset": trained.TOY, "steps": 2, "device": "cpu"}
    return train_decoder(options.pop("store", place / "store"), output, **(given | options))


def test_what_is_trained_is_a_decoder_of_its_encoder_and_of_no_other(made, clip, tmp_path):
    folder, _ = made
    space = load_space(clip, decoder=folder, device="cpu")
    points = space.encode_images([Image.new("RGB", (20, 20), "red")])
    (image,) = space.decode(points, num_inference_steps=3)
    assert (image.size, space.decoder.dim) == ((8, 8), 32)
    with pytest.raises(SpaceMismatchError, match="the 'pixel' checkpoint was trained for"):
        load_space(tiny.clip(tmp_path / "other", seed=9), decoder=folder, device="cpu")


def test_a_run_says_where_it_stands_and_shows_held_out_rows(made):
    folder, said = made
    assert any("step 8 of 8" in line and "64 images" in line and "left" in line for line in said)
    assert any("cycle" in line and "of 3 held-out rows" in line for line in said)
    strips = list((folder / "samples").iterdir())
    assert strips
    assert Image.open(strips[0]).size == (3 * 9 - 1, 2 * 9 - 1)


def test_images_are_the_centre_squares_of_their_files_at_the_resolution(made, place):
    folder, _ = made
    array = np.load(folder / "run/images.npy")
    names = open_store(place / "store").names
    for row in (0, 17, N - 1):
        file = Image.open(place / "images" / names[row]).convert("RGB")
        expected = ((as_pixels([file], 8)[0] + 1) * 127.5).round().permute(1, 2, 0).numpy()
        assert np.array_equal(array[row], expected)


def test_the_numbers_of_the_card_are_those_of_its_arrays(made):
    folder, _ = made
    card = load_result(folder / "card.json")
    arrays = card.arrays
    z, again = arrays["z"], arrays["again"]
    unit = {name: x / np.linalg.norm(x, axis=1, keepdims=True) for name, x in arrays.items() if x.ndim == 2}
    cosines = unit["again"] @ unit["z"].T
    n = len(z)
    assert n == 6
    assert card["cycle", "decodes"].value == pytest.approx(np.mean([cosines[i, i] for i in range(n)]), abs=1e-6)
    off = [cosines[i, j] for i in range(n) for j in range(n) if i != j]
    assert card["cycle", "decodes"].chance == pytest.approx(np.mean(off), abs=1e-6)
    shuffled = [cosines[(i - 1) % n, i] for i in range(n)]
    assert card["cycle", "shuffled z"].value == pytest.approx(np.mean(shuffled), abs=1e-6)
    ceiling = np.mean(np.sum(unit["resized again"] * unit["z"], axis=1))
    assert card["cycle", "images at this resolution"].value == pytest.approx(ceiling, abs=1e-6)
    ranks = [1 / (1 + np.sum(unit["other z"] @ unit["again"][i] > cosines[i, i])) for i in range(n)]
    assert card["rank of z", "decodes"].value == pytest.approx(np.mean(ranks))
    assert card["rank of z", "decodes"].chance == pytest.approx(chance_reciprocal_rank(len(arrays["other z"]) + 1))
    _, held = held_out(N, seed=0)
    conditions = np.load(folder / "run/vectors.npy")
    assert np.array_equal(z, conditions[held][arrays["taken"]])
    assert not set(arrays["taken"]) & set(arrays["others"])
    assert again.shape == (6, 32)


def test_the_ceiling_is_what_the_encoder_makes_of_the_images_themselves(made, clip):
    folder, _ = made
    arrays = load_result(folder / "card.json").arrays
    images = [Image.fromarray(x) for x in arrays["images"]]
    again = load_space(clip, device="cpu").encode_images(images).vectors
    assert np.allclose(sphere.unit(again), sphere.unit(arrays["resized again"]), atol=1e-4)


def test_the_card_says_what_it_was_trained_on_and_what_it_cost(made, place):
    folder, _ = made
    text = (folder / "CARD.md").read_text()
    made_by = load_result(folder / "card.json").provenance
    assert (made_by.options["steps"], made_by.options["images seen"], made_by.options["rows held out"]) == (8, 64, 50)
    assert made_by.inputs[0]["digest"] == open_store(place / "store").hash
    for words in ("950 images of the store `store`", "8 steps, 64 images", "| rank of z |", "perceptual weight 0.3"):
        assert words in text


def test_a_finished_run_has_nothing_left_to_do(made, place, clip, quickly, monkeypatch):
    folder, _ = made
    before = (folder / "unet/diffusion_pytorch_model.safetensors").read_bytes()
    monkeypatch.setattr("clipspace.training.task.denoising_loss", None)
    _train(place, folder, encoder=clip, steps=8)
    assert (folder / "unet/diffusion_pytorch_model.safetensors").read_bytes() == before


def test_the_encoder_asks_for_what_differs_within_its_cone(clip):
    """None for the images themselves, and much for others, though all cosines of this encoder are near 1."""
    images, _ = trained.planted(12)
    encoder = load_space(clip, device="cpu").encoder
    unit = sphere.unit(encoder.images([Image.fromarray(image) for image in images]))
    z = torch.from_numpy((unit * 32**0.5).astype(np.float32))
    look = look_of(encoder, 2, Standard(z.mean(dim=0).numpy(), 0.1))
    x = torch.nn.functional.pixel_unshuffle(pixels_of(images, torch.device("cpu")), 2)
    own, other = look(x, x, z), look(x.roll(1, dims=0), x, z)
    assert (unit @ unit.T).min() > 0.5
    assert own.max() < 0.1
    assert other.mean() > 0.6


def test_no_encoder_is_needed_and_images_are_found_by_the_paths_that_name_rows(place, tmp_path, quickly):
    stored = open_store(place / "store")
    names = [str(place / "images" / name) for name in stored.names]
    store = write_store(tmp_path / "by path", Embeddings(stored[:].vectors, stored.stamp, "image", names))
    folder = _train(place, tmp_path / "decoder", store=store, source=None)
    card = load_result(folder / "card.json")
    assert {row.score for row in card} == {
        "rank of the image",
        "inversion, dB",
        "inversion, converged",
        "x_T (normal: 0, 1)",
    }
    assert json.loads((folder / "model_index.json").read_text())["clip"]["weights"] == stored.stamp.weights


def _vectors(change):
    vectors = stream(0, "vectors").standard_normal((N, 32)).astype(np.float32)
    return change(vectors)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x[:999], r"expected at least 1,000 rows in .*, got 999; encode more images"),
        (np.ones_like, r"expected vectors that differ, got 1,000 of one direction"),
        (lambda x: x, r"expected the images of .*, got none: its rows are called '0', …, which are no paths"),
    ],
)
def test_vectors_that_nothing_can_be_learned_from_are_refused(place, tmp_path, change, message):
    stored = open_store(place / "store")
    points = Embeddings(_vectors(change), stored.stamp)
    with pytest.raises(InputError, match=message):
        _train(place, tmp_path / "decoder", store=write_store(tmp_path / "store", points), source=None)
    assert not (tmp_path / "decoder").exists()


def test_vectors_of_other_programs_that_are_not_finite_are_named(place, tmp_path):
    vectors = _vectors(lambda x: x)
    vectors[[3, 70]] = np.nan
    (tmp_path / "store/img_emb").mkdir(parents=True)
    np.save(tmp_path / "store/img_emb/img_emb_0.npy", vectors)
    with pytest.raises(InputError, match=r"got NaN, infinity or zero in 2 rows \(\[3, 70\]\); leave them out"):
        _train(place, tmp_path / "decoder", store=tmp_path / "store")


def test_a_store_without_a_stamp_or_of_another_encoder_is_refused(place, tmp_path, clip):
    stored = open_store(place / "store")
    names = [str(place / "images" / name) for name in stored.names]
    bare = write_store(tmp_path / "bare", Embeddings(stored[:].vectors, None, "image", names))
    with pytest.raises(InputError, match=r"expected a store with a stamp.*--encoder"):
        _train(place, tmp_path / "decoder", store=bare, source=None)
    with pytest.raises(SpaceMismatchError, match="differ in their weights"):
        _train(place, tmp_path / "decoder", encoder=tiny.clip(tmp_path / "other", seed=9))
    swapped = write_store(tmp_path / "swapped", Embeddings(stored[:].vectors[::-1], None, "image", names))
    with pytest.raises(InputError, match=r"whose embedding has a cosine of .* to its row"):
        _train(place, tmp_path / "decoder", store=swapped, source=None, encoder=clip)
    assert not (tmp_path / "decoder").exists()


@pytest.mark.parametrize("change", ["moved", "of another size"])
def test_images_that_are_not_those_that_were_encoded_are_refused(place, tmp_path, change):
    shutil.copytree(place / "images", tmp_path / "images")
    first = tmp_path / "images/0000.png"
    first.rename(tmp_path / "images/zzzz.png") if change == "moved" else first.write_bytes(first.read_bytes() + b"\0")
    with pytest.raises(InputError, match=r"expected the files that .* was encoded from, got others \(digest"):
        _train(place, tmp_path / "decoder", source=tmp_path / "images")
    assert not (tmp_path / "decoder").exists()


def test_a_folder_of_another_run_or_of_other_things_is_left_alone(made, place, clip, tmp_path):
    folder, _ = made
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(InputError, match="which holds other files; choose another"):
        _train(place, tmp_path)
    with pytest.raises(InputError, match=r"holds another run, which differs in perceptual \(it has 0.3, got 0.0\)"):
        _train(place, folder)
    with pytest.raises(InputError, match=r"differs in .*seed \(it has 0, got 4\)"):
        _train(place, folder, seed=4)
    with pytest.raises(InputError, match=r"differs in .*preset \(.*'batch_size': 16"):
        _train(place, folder, batch_size=16)
    with (
        training_alone(folder / "run", 0),
        pytest.raises(InputError, match=r"another process is writing.*another folder"),
    ):
        _train(place, folder, encoder=clip, steps=8)
    with pytest.raises(InputError, match="got the file"):
        _train(place, tmp_path / "thesis.txt")


def test_what_is_asked_for_wrongly_is_refused_before_work(place, tmp_path, monkeypatch):
    output = tmp_path / "decoder"
    for options, message in (
        ({"preset": "huge"}, r"expected preset out of \['small', 'small-128', 'tiny'\], got 'huge'"),
        ({"minutes": 3.0}, "expected either steps or minutes, got 2 and 3.0"),
        ({"steps": None, "minutes": -1.0}, "expected steps or minutes above 0"),
        ({"perceptual": 0.3}, "expected an encoder for perceptual=0.3, got none"),
        ({"perceptual": float("nan")}, "expected perceptual of at least 0"),
        ({"device": "warp"}, "device: expected one of"),
        ({"source": tmp_path / "nowhere"}, "which is not there"),
    ):
        with pytest.raises(InputError, match=message):
            _train(place, output, **options)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10**9, 10**9, 1000))
    with pytest.raises(InputError, match=r"expected 0.00 GB of free disk .* got 0.00 GB; make room"):
        _train(place, output)
    monkeypatch.setitem(__import__("sys").modules, "pytorch_optimizer", None)
    with pytest.raises(CapabilityError, match=r"pip install 'clipspace\[train\]'"):
        _train(place, output)
    assert not output.exists()


def test_the_command_trains_and_says_what_it_reached_or_what_is_wrong(place, tmp_path, quickly, monkeypatch, capsys):
    monkeypatch.setitem(presets.PRESETS, "tiny", trained.TOY)
    command = [
        "train-decoder",
        str(place / "store"),
        "--source",
        str(place / "images"),
        "-o",
        str(tmp_path / "decoder"),
    ]
    assert run(*command, "--steps", "2", "--device", "cpu", "--json", quiet=False) == 0
    printed = capsys.readouterr()
    answer = json.loads(printed.out)
    assert answer["folder"] == str(tmp_path / "decoder")
    assert answer["table"][0]["score"] == "rank of the image"
    assert "step 2 of 2" in printed.err
    assert run(*command, "--steps", "2", "--seed", "1") == 1
    assert "clipspace: train:" in (error := capsys.readouterr().err)
    assert "seed (it has 0, got 1)" in error
