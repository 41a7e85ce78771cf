"""A string is an image or a text by one rule, and what a result was made of can be read off it."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from command_line import run
from PIL import Image

from clipspace import Embeddings, blend, build_index, interpolate, retrieve, text_diff, variations
from clipspace.errors import InputError
from clipspace.manipulate import generate, reconstruct
from clipspace.points.pca import PCA
from clipspace.sources.images import content, read_image

FEW = {"num_inference_steps": 2}


@pytest.fixture(scope="module")
def space(quick):
    return quick


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("IMG_1.jfif", "JPEG"), ("IMG_1.avif", "AVIF"), ("IMG_1.ppm", "PPM"), ("IMG_1", "PNG"), ("a.jpg?w=400", "JPEG")],
)
def test_an_image_file_of_any_name_is_an_image(space, apple, here, name, kind):
    apple.save(name, kind)
    made = blend(space, [name])
    digest = _digest(content(read_image(here / name)))
    assert made.columns["inputs"] == [[{"kind": "image", "name": name, "digest": digest}]]
    assert np.abs(made.vectors[0] - space.encode_images(here / name).vectors[0]).max() < 1e-5


@pytest.mark.parametrize("missing", ["IMG_1.jfif", "/a/b/x", "https://example.org/y.jpg?w=400"])
def test_a_path_that_is_not_there_is_no_text(space, here, missing):
    index = build_index(Embeddings(np.eye(4, space.stamp.dim, dtype=np.float32), space.stamp))
    for call in (
        lambda: text_diff(space, missing, "a cat", "a dog"),
        lambda: variations(space, missing),
        lambda: interpolate(space, "a cat", missing),
        lambda: blend(space, [missing]),
        lambda: retrieve(space, index, missing),
        lambda: retrieve(space, index, ["a cat", missing]),
    ):
        with pytest.raises(InputError, match="looks like"):
            call()


def test_retrieving_finds_the_very_image_that_is_in_the_index(space, apple, house, here):
    index = build_index(space.encode_images([apple, house]))
    apple.save("IMG_1.jfif", "JPEG", quality=98)
    assert retrieve(space, index, "IMG_1.jfif", k=1).rows[0, 0] == 0
    assert retrieve(space, index, Path("IMG_1.jfif"), k=1).rows[0, 0] == 0
    words = retrieve(space, index, space.encode_texts("IMG_1.jfif"), k=2)
    assert words.cosines.max() < 0.9
    with pytest.raises(InputError, match="texts or images, got both"):
        retrieve(space, index, ["a red apple", "IMG_1.jfif"])


def test_an_image_and_a_text_can_be_said(space, apple, here):
    apple.save("a red apple", "PNG")
    assert blend(space, ["a red apple"]).columns["inputs"][0][0]["kind"] == "image"
    said = variations(space, space.encode_texts("a red apple"), n=1, **FEW)
    assert said.provenance.inputs[0]["name"] == "a red apple"
    assert np.array_equal(said.embeddings.vectors[0], space.prior("a red apple", seed=0).vectors[0])


def test_the_command_line_knows_both_and_lets_you_say_which(space, apple, here, capsys, monkeypatch):
    monkeypatch.setattr("clipspace.space.load_space", lambda *_, **__: space)
    options = ["-n", "1", "--steps", "2", "--device", "cpu", "--json"]
    assert run("vary", "IMG_1.jfif", "-o", "no.png", *options) == 1
    assert "looks like a path" in capsys.readouterr().err
    assert not Path("no.png").exists()
    apple.save("IMG_1.jfif", "JPEG")
    for word, kind, name in (
        ("image:IMG_1.jfif", "image", "IMG_1.jfif"),
        ("text:IMG_1.jfif", "text", "IMG_1.jfif"),
        ("text:text: a red apple", "text", "text: a red apple"),
    ):
        assert run("vary", word, "-o", "out.png", "--overwrite", *options) == 0
        (made_of,) = json.loads(Image.open("out.png").text["clipspace"])["inputs"]
        assert (made_of["kind"], made_of["name"]) == (kind, name)
    run("vary", "--help")
    printed = capsys.readouterr().out
    assert "image:NAME" in printed
    assert "text:WORDS" in printed


def test_every_manipulation_names_its_inputs(space, apple, house):
    point, code = space.encode_images(house), space.invert(apple, method="ddim", **FEW)
    image = {"kind": "image", "name": None, "digest": _digest(content(apple))}
    vector = {"kind": "embedding", "name": "0", "digest": _digest(point.vectors.tobytes())}
    inverted = {
        "kind": "code",
        "name": "0",
        "digest": _digest(code.embeddings.vectors.tobytes() + code.noise.tobytes()),
    }
    text = {"kind": "text", "name": "a red apple", "digest": _digest(b"a red apple")}
    assert interpolate(space, apple, point, frames=2, noise="fixed", **FEW).provenance.inputs == [image, vector]
    assert variations(space, code, n=1).provenance.inputs == [inverted]
    assert variations(space, "a red apple", n=1, **FEW).provenance.inputs == [text]
    edited = text_diff(space, code, None, "a red apple", frames=2)
    assert edited.provenance.inputs == [inverted, text]
    assert generate(space, "a red apple", n=1, **FEW).provenance.inputs == [text]
    (made_of,) = blend(space, [np.asarray(apple), "a red apple"]).columns["inputs"]
    assert made_of == [image, text]
    pca = PCA(2).fit(space.encode_images([apple, house, apple.rotate(90)]).unit)
    assert reconstruct(space, [apple], pca, components=[2], **FEW).provenance.inputs == [image]
    json.dumps(edited.provenance.to_dict())
