"""Binding: a bag of words scores exactly chance, a perfect encoder 1, and the readers read what they should."""

import json

import numpy as np
import pytest

from clipspace import Embeddings
from clipspace.errors import InputError
from clipspace.probes.binding import (
    KINDS,
    binding_quartets,
    choice_accuracy,
    decoded_binding,
    expected_group_scores,
    group_scores,
)
from clipspace.probes.datasets import Choice, Quartet, read_aro, read_sugarcrepe, read_winoground
from clipspace.scenes import COLORS, Scene, Thing, render
from clipspace.scenes.reading import read_in_color
from clipspace.sources.images import read_images


class Stub:
    """A space of two functions: of a text to a vector, and of an image to the caption whose vector it gets."""

    stamp = None

    def __init__(self, quartets, of_text, *, blur=False):
        self.of_text, self.blur = of_text, blur
        self.captions = {i.tobytes(): c for q in quartets for i, c in zip(q.images, q.captions, strict=True)}

    def encode_texts(self, texts):
        return Embeddings(np.stack([self.of_text(t) for t in texts]), None, "text")

    def encode_images(self, images):
        pictures, _ = read_images(images)
        vectors = [self.of_text(self.captions[p.tobytes()]) for p in pictures]
        return Embeddings(np.stack(vectors) + (0.1 * np.arange(len(pictures))[:, None] if self.blur else 0))


def bag_of_words(text):
    """The sum of a fixed vector of each word, added up in the order of the text (so float noise differs)."""
    return np.sum([np.random.default_rng(list(word.encode())).normal(size=16) for word in text.split()], axis=0)


def whole_text(text):
    return np.random.default_rng(list(text.encode())).normal(size=64)


def choices_of(quartets):
    return [Choice(q.images[i], (q.captions[i], q.captions[1 - i])) for q in quartets for i in (0, 1)]


@pytest.mark.parametrize("kind", ["color", "texture", "size"])
def test_a_bag_of_words_scores_exactly_chance(kind):
    quartets = binding_quartets(kind, 30, seed=1)
    assert all(sorted(a.split()) == sorted(b.split()) for a, b in (q.captions for q in quartets))
    space = Stub(quartets, bag_of_words)
    found = group_scores(space, quartets)
    for name, chance in (("text", 1 / 4), ("image", 1 / 4), ("group", 1 / 6)):
        assert found[name].value == pytest.approx(chance, abs=1e-12)
        assert found[name].chance == chance
    assert choice_accuracy(space, choices_of(quartets))["accuracy"].value == 0.5


def test_a_bag_of_words_that_sees_images_apart_scores_chance_on_text_and_nothing_on_image():
    quartets = binding_quartets("color", 30, seed=1)
    found = group_scores(Stub(quartets, bag_of_words, blur=True), quartets)
    assert found["text"].value == pytest.approx(1 / 4)
    assert found["image"].value == found["group"].value == 0


@pytest.mark.parametrize("kind", KINDS)
def test_an_encoder_of_whole_sentences_scores_one(kind):
    quartets = binding_quartets(kind, 20, seed=2)
    space = Stub(quartets, whole_text)
    assert [row.value for row in group_scores(space, quartets)] == [1, 1, 1]
    assert choice_accuracy(space, choices_of(quartets))["accuracy"].value == 1


def test_expected_scores_equal_counting_where_nothing_ties(rng):
    s = rng.normal(size=(200, 2, 2))
    text = (s[:, 0, 0] > s[:, 1, 0]) & (s[:, 1, 1] > s[:, 0, 1])
    image = (s[:, 0, 0] > s[:, 0, 1]) & (s[:, 1, 1] > s[:, 1, 0])
    found = expected_group_scores(s)
    assert (found["text"] == text).all()
    assert (found["image"] == image).all()
    assert (found["group"] == (text & image)).all()
    assert found["group"].mean() == pytest.approx(1 / 6, abs=0.08)


@pytest.mark.parametrize("kind", KINDS)
def test_quartets_hold_the_same_things_differently_bound(kind):
    for quartet in binding_quartets(kind, 10, seed=3):
        a, b = (np.asarray(image) for image in quartet.images)
        assert (a != b).any()
        first, second = quartet.captions
        assert first != second
        nouns = {w for w in first.split() if w not in ("a", "an", "above", "below", "left", "right", "of")}
        assert nouns == {w for w in second.split() if w not in ("a", "an", "above", "below", "left", "right", "of")}
    again = binding_quartets(kind, 3, seed=3)
    assert again[2].captions == binding_quartets(kind, 5, seed=3)[2].captions


def test_the_mini_space_binds_no_relation(space):
    """The finding of docs/calibration.md: which thing is above is at chance in the mini space."""
    found = choice_accuracy(space, choices_of(binding_quartets("relation", 100, seed=4)))["accuracy"]
    assert found.low < 0.5 < found.high


def test_things_are_read_by_their_colour():
    read = []
    for i, color in enumerate(COLORS):
        other = list(COLORS)[(i + 3) % len(COLORS)]
        scene = Scene(
            "grey", (Thing("star", color, x=0.27, y=0.3, size="small"), Thing("square", other, x=0.68, y=0.66))
        )
        image = render(scene)
        (kind, side), (kind2, side2) = (read_in_color(image, c, ["star", "square"]) for c in (color, other))
        read.append((kind, kind2) == ("star", "square") and side < side2)
    assert np.mean(read) > 0.8
    blank = render(Scene("white"))
    assert read_in_color(blank, "red", ["star", "square"]) is None


class Echo:
    """A decoder that draws what it is told: the scenes' own images, or these with the binding traded."""

    name, stamp, weights = "echo", None, {}
    num_inference_steps, guidance_scale = 50, 1.0

    def __init__(self, images):
        self.images = images

    def encode_images(self, images):
        return Embeddings(np.eye(len(images)))

    def decode(self, points, **_):
        return [self.images[int(v.argmax())] for v in points.vectors]


@pytest.mark.parametrize("kind", ["color", "size"])
def test_decodes_that_swap_are_told_from_decodes_that_keep(kind):
    quartets = binding_quartets(kind, 30, seed=5)
    how = {"n": 30, "decodes": 2, "seed": 5}
    kept = decoded_binding(Echo([q.images[0] for q in quartets]), kind, **how)
    swapped = decoded_binding(Echo([q.images[1] for q in quartets]), kind, **how)
    assert kept["decoded", "kept"].value == kept["true image", "kept"].value > 0.85
    assert swapped["decoded", "swapped"].value > 0.85
    assert swapped["decoded", "kept"].value < 0.1
    blank = decoded_binding(Echo([render(Scene("white"))] * 30), kind, **how)
    assert blank["decoded", "lost"].value == 1


# Readers.


def test_winoground_is_read(tmp_path, apple, house, space):
    apple.save(tmp_path / "ex_0_img_0.png")
    house.save(tmp_path / "ex_0_img_1.png")
    row = {"id": 0, "image_0": "ex_0_img_0", "image_1": "ex_0_img_1", "caption_0": "an apple", "caption_1": "a house"}
    (tmp_path / "examples.jsonl").write_text(json.dumps(row) + "\n\n")
    (quartet,) = read_winoground(tmp_path / "examples.jsonl", tmp_path)
    assert quartet.captions == ("an apple", "a house")
    assert group_scores(space, [quartet])["group"].value == 1


def test_aro_is_read_and_cropped(tmp_path, apple, space):
    apple.save(tmp_path / "1.png")
    row = {"image_path": "1.png", "true_caption": "the red apple", "false_caption": "the blue house"}
    (tmp_path / "aro.json").write_text(json.dumps([row | {"bbox_x": 4, "bbox_y": 8, "bbox_w": 50, "bbox_h": 40}]))
    (choice,) = read_aro(tmp_path / "aro.json", tmp_path)
    assert choice.picture().size == (50, 40)
    assert (np.asarray(choice.picture()) == np.asarray(apple)[8:48, 4:54]).all()
    assert choice_accuracy(space, [choice])["accuracy"].chance == 0.5


def test_sugarcrepe_is_read(tmp_path, apple):
    apple.save(tmp_path / "000.jpg")
    row = {"filename": "000.jpg", "caption": "a red apple", "negative_caption": "a red house"}
    (tmp_path / "swap_att.json").write_text(json.dumps({"0": row, "1": row}))
    found = read_sugarcrepe(tmp_path / "swap_att.json", tmp_path)
    assert [item.captions for item in found] == [("a red apple", "a red house")] * 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[{", "not valid JSON"),
        ("[]", "got none"),
        ('[{"filename": "a.jpg"}]', "lacks"),
        ('[{"filename": "a.jpg", "caption": "a", "negative_caption": "b"}]', "not there"),
    ],
)
def test_broken_benchmark_files_are_refused(tmp_path, content, message):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(InputError, match=message):
        read_sugarcrepe(tmp_path / "x.json", tmp_path)
    with pytest.raises(InputError, match="not a file"):
        read_aro(tmp_path / "none.json", tmp_path)


def test_what_cannot_be_scored_is_refused(space, apple):
    with pytest.raises(InputError, match="at least one quartet"):
        group_scores(space, [])
    with pytest.raises(InputError, match="at least one choice"):
        choice_accuracy(space, [])
    with pytest.raises(InputError, match="item 0"):
        choice_accuracy(space, [Choice(apple, ("an apple", "an apple"))])
    with pytest.raises(InputError, match="item 0"):
        choice_accuracy(space, [Choice(apple, ("an apple",))])
    with pytest.raises(InputError, match="kind"):
        binding_quartets("shape", 3, seed=0)
    with pytest.raises(InputError, match="at least one example"):
        binding_quartets("color", 0, seed=0)
    with pytest.raises(InputError, match="'color' or 'size'"):
        decoded_binding(space, "texture", n=2, seed=0)
    with pytest.raises(InputError, match="at least one word"):
        group_scores(space, [Quartet((apple, apple), ("", "a"))])
