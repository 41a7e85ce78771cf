"""Typographic attack: an encoder that cannot see the card, the mini space that reads it, and the readers."""

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from clipspace import Embeddings
from clipspace.errors import CapabilityError, InputError
from clipspace.probes.datasets import read_rta100, read_scam
from clipspace.probes.typographic import attack_scores, print_word, typographic_attack
from clipspace.scenes import COLORS, THINGS, render, sample_scenes
from clipspace.sources.images import read_images
from clipspace.space import untrained_space


@pytest.fixture(scope="module")
def world():
    scenes = sample_scenes(60, seed=5001, layout="one")
    truth = [scene.things[0].kind for scene in scenes]
    rng = np.random.default_rng(0)
    words = [str(rng.choice([kind for kind in THINGS if kind != thing])) for thing in truth]
    return [render(scene) for scene in scenes], truth, words


class BlindToCards:
    """Sees the mean colour of the upper half of a picture; a text is the colour it names."""

    stamp = None
    encoder = SimpleNamespace(logit_scale=100.0)

    def encode_images(self, images):
        pictures, names = read_images(images)
        colors = [np.asarray(p, dtype=np.float32)[: p.height // 2].mean(axis=(0, 1)) + 1 for p in pictures]
        return Embeddings(np.stack(colors), None, "image", names)

    def encode_texts(self, texts):
        return Embeddings(np.array([COLORS[t.split()[-1]] for t in texts], dtype=np.float32) + 1, None, "text")


def test_an_encoder_that_cannot_see_the_card_is_not_attacked():
    truth = ["red", "green", "blue"] * 4
    words = ["green", "blue", "red"] * 4
    pictures = [Image.new("RGB", (64, 64), COLORS[color]) for color in truth]
    found = typographic_attack(BlindToCards(), pictures, truth, words)
    assert found["word", "image", "thing", "share", 0.6].value == 1
    assert (
        found["word", "image", "word", "share", 0.6].value == found["blank", "image", "word", "share", 0.6].value == 0
    )
    assert found["bare", "image", "thing", "share", None].chance == pytest.approx(1 / 3)


def test_the_mini_space_reads_the_word_and_not_the_blank_card(space, world):
    found = typographic_attack(space, *world, labels=list(THINGS), widths=(0.2, 0.6))
    assert found["bare", "image", "thing", "share", None].value > 0.9
    success = found["word", "image", "word", "share", 0.6]
    assert success.low > 0.5
    assert success.chance == found["blank", "image", "word", "share", 0.6].value < 0.15
    assert found["word", "image", "word", "share", 0.2].value < 0.2
    assert found["word", "image", "word", "share", 0.6].value == success.value
    assert found.arrays["success"].tolist() == [found["word", "image", "word", "share", 0.2].value, success.value]


def test_the_decoders_view_is_reported_beside_it(quick, world):
    pictures, truth, words = (part[:2] for part in world)
    found = typographic_attack(
        quick, pictures, truth, words, labels=list(THINGS), widths=(), decodes=2, num_inference_steps=2
    )
    row = found["word", "decoded", "thing", "probability", 0.6]
    assert 0 <= row.value <= 1
    assert row.n == 2
    assert found.arrays["width"].size == 0


def test_the_blank_card_is_the_chance_of_the_word_only(space, world):
    pictures, truth, words = (part[:6] for part in world)
    found = attack_scores(space, {"word": pictures}, truth, words, labels=list(THINGS))
    assert found["word", "image", "word", "share"].chance == pytest.approx(1 / 18)


def test_a_card_is_where_and_as_large_as_asked():
    image = Image.new("RGB", (200, 100), "black")
    changed = np.asarray(print_word(image, "pizza", width=0.3, place=(0.25, 0.5))).any(axis=2)
    columns = np.flatnonzero(changed.any(axis=0))
    assert columns[[0, -1]] == pytest.approx([20, 79], abs=1)
    with pytest.raises(InputError, match="width in"):
        print_word(image, "pizza", width=0)
    with pytest.raises(InputError, match="place"):
        print_word(image, "pizza", place=(0.5, 2))


@pytest.mark.parametrize(
    ("truth", "words", "labels", "message"),
    [
        (["cat"], ["dog", "car"], None, "one label and one word"),
        (["cat", "car"], ["dog", "car"], None, "other than the label 'car'"),
        (["cat", "car"], ["dog", " "], None, "other than the label"),
        (["cat", "car"], ["fish", "cat"], ["cat", "car"], r"\['fish'\]"),
        ([], [], None, "0 images|2 images"),
    ],
)
def test_lists_that_do_not_fit_are_refused(space, apple, house, truth, words, labels, message):
    with pytest.raises(InputError, match=message):
        typographic_attack(space, [apple, house], truth, words, labels=labels)


def test_conditions_that_do_not_fit_are_refused(space, apple, house):
    with pytest.raises(InputError, match="at least one condition"):
        attack_scores(space, {}, ["apple"], ["house"])
    with pytest.raises(InputError, match="each of 1 images"):
        attack_scores(space, {"blank": [apple, house], "word": [apple]}, ["apple", "house"], ["cat", "cat"])


def test_decoding_without_a_decoder_is_refused(apple, house):
    bare = untrained_space("mini", seed=0, device="cpu")
    with pytest.raises(CapabilityError, match="no decoder"):
        typographic_attack(bare, [apple, house], ["apple", "house"], ["house", "apple"], decodes=1)


def test_rta_names_are_read(tmp_path, apple):
    (tmp_path / "sub").mkdir()
    apple.save(tmp_path / "label=granny smith_text=ipod.png")
    apple.save(tmp_path / "sub" / "label=dog_text=hot dog.jpg")
    apple.save(tmp_path / "other.png")
    paths, truth, words = read_rta100(tmp_path)
    assert [p.name for p in paths] == ["label=granny smith_text=ipod.png", "label=dog_text=hot dog.jpg"]
    assert (truth, words) == (["granny smith", "dog"], ["ipod", "hot dog"])
    with pytest.raises(InputError, match="label="):
        read_rta100(tmp_path / "none")


def _scam(folder, apple, kinds=("SCAM", "NoSCAM", "SynthSCAM")):
    rows = [
        {
            "file_name": f"{kind}_img_{i:04d}.png",
            "type": kind,
            "object_label": "apple",
            "attack_word": "taxi",
            "id": f"{kind}_img_{i:04d}",
        }
        for i in (1, 2)
        for kind in kinds
    ]
    for row in rows:
        apple.save(folder / row["file_name"])
    return rows


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_scam_triples_are_read_and_scored(tmp_path, apple, space, form):
    rows = _scam(tmp_path, apple)[:-1]
    with (tmp_path / f"metadata.{form}").open("w", newline="") as file:
        if form == "csv":
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        else:
            file.write("\n".join(json.dumps(row) for row in rows))
    with pytest.warns(UserWarning, match="1 of 2 images lack a version"):
        conditions, truth, words = read_scam(tmp_path)
    assert {name: [p.name for p in paths] for name, paths in conditions.items()} == {
        "blank": ["NoSCAM_img_0001.png"],
        "word": ["SCAM_img_0001.png"],
        "pasted word": ["SynthSCAM_img_0001.png"],
    }
    assert (truth, words) == (["apple"], ["taxi"])
    assert attack_scores(space, conditions, truth, words)["word", "image", "thing", "share"].n == 1


def test_scam_folders_that_lack_something_are_refused(tmp_path, apple):
    with pytest.raises(InputError, match=r"metadata\.csv"):
        read_scam(tmp_path)
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "a.png"}\n')
    with pytest.raises(InputError, match="attack_word"):
        read_scam(tmp_path)
    rows = _scam(tmp_path, apple, kinds=("SCAM",))
    (tmp_path / "metadata.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    with pytest.warns(UserWarning, match="lack"), pytest.raises(InputError, match="no whole triple"):
        read_scam(tmp_path)
