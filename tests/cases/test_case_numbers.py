"""Numbers that say no more than they know."""

import json

import numpy as np
import open_clip
import pytest
from command_line import run

from clipspace import PCA, Embeddings, zero_shot
from clipspace.errors import InputError, RecallError, SampleWarning
from clipspace.probes.classification import zero_shot_accuracy
from clipspace.probes.modalities import modality_gap
from clipspace.search import build_index
from clipspace.seeds import stream


@pytest.fixture(scope="module")
def imagenet(space, apple, house):
    with pytest.warns(SampleWarning, match=r"\['missile', 'sunglasses'\]"):
        return zero_shot(space, [apple, house], open_clip.IMAGENET_CLASSNAMES)


def test_the_official_names_of_imagenet_are_a_thousand_classes(imagenet):
    assert imagenet.probabilities.shape == (2, 1000)
    assert imagenet.probabilities.sum(axis=1) == pytest.approx(1)
    for one, other in ((657, 744), (836, 837)):
        assert imagenet.labels[one] == imagenet.labels[other]
        assert np.array_equal(imagenet.probabilities[:, one], imagenet.probabilities[:, other])


@pytest.mark.filterwarnings("ignore:zero_shot")
def test_class_numbers_of_imagenet_are_positions_among_its_names(space, apple, house, imagenet):
    truth = imagenet.probabilities.argmax(axis=1)
    scores = zero_shot_accuracy(space, [apple, house], truth, open_clip.IMAGENET_CLASSNAMES)
    assert scores["top-1"].value == 1
    assert scores["top-1"].chance == 1 / 1000


def test_a_refused_list_of_names_is_shortened(space, apple):
    with pytest.raises(InputError, match="and 990 more") as refused:
        zero_shot_accuracy(space, [apple], ["no such class"], open_clip.IMAGENET_CLASSNAMES)
    assert len(str(refused.value)) < 500


@pytest.fixture
def eight_images_with_four_captions(rng):
    """Two images of each caption, near it and far from the others."""
    words = [f"caption {i // 2}" for i in range(8)]
    texts = np.repeat(np.eye(12)[:4], 2, axis=0)
    images = texts + 0.1 * rng.normal(size=(8, 12)) + np.eye(12)[8]
    return Embeddings(images), Embeddings(texts, modality="text", names=words)


@pytest.mark.parametrize("named", [True, False])
def test_a_caption_that_repeats_is_right_for_each_of_its_images(eight_images_with_four_captions, named):
    images, texts = eight_images_with_four_captions
    scores = modality_gap(images, texts if named else Embeddings(texts.vectors, modality="text"))
    to_image, to_text = (scores.row(variant="raw", direction=way, k=1) for way in ("text to image", "image to text"))
    assert (to_image.value, to_image.chance, to_image.n) == (1.0, pytest.approx(2 / 8), 4)
    assert (to_text.value, to_text.chance, to_text.n) == (1.0, pytest.approx(1 / 4), 8)
    assert (scores.provenance.options["images"], scores.provenance.options["texts"]) == (8, 4)
    cosines = images.unit @ texts.unit.T
    apart = np.arange(8)[:, None] // 2 != np.arange(8) // 2
    assert scores.row(variant="unpaired").value == pytest.approx(cosines[apart].mean())
    assert scores.arrays["moved recall"][:, 4].tolist() == [1.0, 1.0]


def test_an_image_that_repeats_has_all_its_captions(rng):
    """Five captions of each of six images, as COCO has them: an image counts once among the points."""
    images = np.repeat(np.eye(16)[:6], 5, axis=0)
    texts = images + 0.05 * rng.normal(size=(30, 16)) + np.eye(16)[8]
    scores = modality_gap(Embeddings(images), Embeddings(texts, modality="text"), ks=(1, 5))
    to_image, to_text = (scores.row(variant="raw", direction=way, k=1) for way in ("text to image", "image to text"))
    assert (to_image.value, to_image.chance, to_image.n) == (1.0, pytest.approx(1 / 6), 30)
    assert (to_text.value, to_text.chance, to_text.n) == (1.0, pytest.approx(5 / 30), 6)
    assert scores.row(direction="text to image", k=5).chance == pytest.approx(5 / 6)


def test_ids_say_what_belongs_together(rng):
    """Two photographs of each thing, two sentences about it, none repeated: each of both is right for each."""
    things = np.repeat(np.eye(12)[:5], 2, axis=0)
    images, texts = (Embeddings(things + 0.2 * rng.normal(size=(10, 12)) + np.eye(12)[k]) for k in (8, 9))
    ids = [f"thing {i // 2}" for i in range(10)]
    plain, known = modality_gap(images, texts), modality_gap(images, texts, ids=ids)
    for way in ("text to image", "image to text"):
        assert (
            plain.row(variant="raw", direction=way, k=1).value < known.row(variant="raw", direction=way, k=1).value == 1
        )
        assert known.row(variant="raw", direction=way, k=1).chance == pytest.approx(2 / 10)
    with pytest.raises(InputError, match="expected 10 ids"):
        modality_gap(images, texts, ids=ids[:3])


def test_other_captions_of_one_vector_are_misses_and_are_said_to_be(rng):
    texts = rng.normal(size=(8, 6))
    texts[1] = texts[0]
    images = texts + 0.1 * rng.normal(size=(8, 6)) + np.eye(6)[0]
    names = [f"caption {i}" for i in range(8)]
    with pytest.warns(SampleWarning, match="1 of 8 texts have the vector of another"):
        scores = modality_gap(Embeddings(images), Embeddings(texts, modality="text", names=names))
    assert scores.provenance.options["texts"] == 8
    assert scores.row(variant="raw", direction="image to text", k=1).value <= 6 / 8


def test_the_command_takes_repeated_captions_and_ids(eight_images_with_four_captions, tmp_path, capsys):
    images, texts = eight_images_with_four_captions
    np.save(tmp_path / "images.npy", images.vectors)
    np.save(tmp_path / "texts.npy", texts.vectors)
    (tmp_path / "ids.txt").write_text("\n".join("aabbccdd"))
    asked = ["probe", "modality-gap", str(tmp_path / "images.npy"), "--texts", str(tmp_path / "texts.npy"), "--json"]
    for more in ([], ["--ids", str(tmp_path / "ids.txt")]):
        assert run(*asked, *more) == 0
        rows = json.loads(capsys.readouterr().out)["table"]
        values = {(row["variant"], row["direction"], row["k"]): row["value"] for row in rows}
        assert values["raw", "text to image", 1] == values["raw", "image to text", 1] == 1


def _with_copies(rng, share, of, n=12_000, d=32):
    """Rows of which a ``share`` are copies of the first ``of`` rows, in random order."""
    x = rng.normal(size=(n, d)).astype(np.float32)
    copies = int(share * n)
    x[n - copies :] = x[rng.integers(of, size=copies)]
    return x[rng.permutation(n)]


@pytest.mark.parametrize("of", [1, 10, 8400])
def test_an_index_of_rows_with_copies_tells_them_from_misses(rng, of):
    rows = _with_copies(rng, 0.3, of)
    index = build_index(rows, queries=400)
    assert index.facts["recall"] >= 0.95
    assert index.facts["copies"] == pytest.approx(0.3 if of < 100 else 0.3 + 0.7 * (1 - np.exp(-3600 / 8400)), abs=0.06)
    said = index.verify(rows, queries=200)
    drawn = np.sort(stream(0, "queries").choice(len(rows), 200, replace=False))
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = unit[drawn] @ unit.T
    has_copy = (cosines >= 1 - 1e-6).sum(axis=1) > 1
    assert said["copies"] == has_copy.mean()
    found = index.search(rows[drawn], 11).rows
    tenth_other = -np.sort(-cosines, axis=1)[:, 10]
    right = (np.take_along_axis(cosines, found, axis=1) >= tenth_other[:, None] - 1e-6).sum(axis=1)
    assert said["recall"] == pytest.approx((right - 1).clip(0).mean() / 10, abs=1e-3)
    assert said["self_recall"] > 0.99


def test_low_recall_among_copies_is_said_with_their_share_and_a_cure(rng):
    rows = _with_copies(rng, 0.3, 1)
    with pytest.raises(RecallError, match=r"(2|3)\d% of rows have copies.*kind='ivf'"):
        build_index(rows, queries=400, kind="hnsw", recall=0.99)
    assert build_index(rows, queries=400, kind="ivf", recall=0.95).facts["recall"] >= 0.95


@pytest.mark.parametrize(("more", "options"), [([], {}), (["--raw"], {"normalize": False})])
def test_the_command_and_python_fit_the_same_components(rng, tmp_path, capsys, more, options):
    rows = (rng.normal(size=(200, 12)) + 3) * rng.uniform(5, 15, size=(200, 1))
    np.save(tmp_path / "x.npy", rows)
    assert run("pca", str(tmp_path / "x.npy"), "-o", str(tmp_path / "pca"), *more) == 0
    assert ("as they are" if more else "scaled to norm 1") in capsys.readouterr().out
    ours, saved = PCA(**options).fit(rows), PCA.load(tmp_path / "pca")
    assert saved.normalize == ours.normalize == (not more)
    assert np.allclose(saved.explained_variance_, ours.explained_variance_)
    taken = rows if more else rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert ours.explained_variance_[0] == pytest.approx(np.linalg.eigvalsh(np.cov(taken.T))[-1])
