"""Every probe that needs an encoder alone, on photographs and CIFAR-10: the mini space and a random ViT-B-32, no special case.

Neither knows photographs, so most scores are near chance; what is tested is that each probe runs, says of which space its
numbers are, and keeps to their range. Retention is tested on photographs beside its other tests.
"""

import numpy as np
import pytest

from clipspace.errors import SampleWarning
from clipspace.probes.binding import choice_accuracy, group_scores
from clipspace.probes.classification import zero_shot_accuracy
from clipspace.probes.concepts import Vocabulary, decompose, describe
from clipspace.probes.datasets import Choice, Quartet
from clipspace.probes.directions import geometry
from clipspace.probes.likeness import compare
from clipspace.probes.logistic_regression import few_shot, linear
from clipspace.probes.modalities import modality_gap
from clipspace.probes.nearest_neighbours import knn
from clipspace.probes.pairs import blind_pairs, pixel_points
from clipspace.probes.ridge_regression import ridge
from clipspace.probes.sparse_autoencoder import fit_autoencoder
from clipspace.probes.text_basis import text_span
from clipspace.probes.typographic import typographic_attack

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PER_CLASS = 8
pytestmark = pytest.mark.filterwarnings("ignore::clipspace.errors.SampleWarning")


@pytest.fixture(scope="module", params=["mini", pytest.param("ViT-B-32", marks=pytest.mark.slow)])
def encoder(request):
    if request.param == "mini":
        return request.getfixturevalue("space")
    return request.getfixturevalue("vit_b_32")


@pytest.fixture(scope="module")
def seen(encoder, photos):
    """40 photographs as points, and as texts what their file names say is on them."""
    files = photos[:40]
    texts = [f"a photo of a {file.stem.split('_', 1)[1].replace('_', ' ')}" for file in files]
    return files, encoder.encode_images(files), encoder.encode_texts(texts)


@pytest.fixture(scope="module")
def labelled(encoder, cifar):
    """Eight pictures of each class of CIFAR-10 as points before and after the projection, their names and brightness."""
    pictures, labels = cifar
    rows = np.concatenate([np.flatnonzero(labels == c)[:PER_CLASS] for c in range(10)])
    chosen = [pictures[i] for i in rows]
    brightness = [float(np.asarray(picture).mean()) for picture in chosen]
    names = [CLASSES[i] for i in labels[rows]]
    return encoder.encode_images(chosen), encoder.encode_features(chosen), names, brightness


def _sound(scores, encoder):
    """Finite numbers of this space."""
    assert scores.provenance.stamp == encoder.stamp
    for row in scores:
        assert np.isfinite(row.value), row
    return scores


def test_labelled_probes(encoder, labelled):
    points, features, names, brightness = labelled
    for found in (
        zero_shot_accuracy(encoder, points, names, CLASSES),
        linear(points, names, search=[0.01, 1.0], validation=0.25, device="cpu"),
        few_shot(points, names, shots=[1, 2], draws=3, search=[1.0], device="cpu"),
        knn(points, names, k=5),
    ):
        scores = _sound(found, encoder)
        assert all(0 <= row.value <= 1 for row in scores)
        assert scores.table.rows[0].chance == pytest.approx(0.1)
    assert _sound(ridge(points, {"brightness": brightness}), encoder)["brightness"].value > 0.3
    before = linear(features, names, search=[1.0], device="cpu")
    assert before.provenance.stamp == features.stamp != encoder.stamp


def test_geometry_of_photographs(encoder, seen):
    _, points, texts = seen
    with pytest.warns(SampleWarning, match="40 rows"):
        scores = _sound(geometry(points), encoder)
    assert scores["mean cosine", "raw"].value > scores["mean cosine", "centred"].value
    assert 1 < scores["effective rank", None].value < 40
    gap = _sound(modality_gap(points, texts), encoder)
    assert gap.row(score="separability along the gap").value > 0.9
    assert gap.row(variant="raw", direction="text to image", k=1).chance == 1 / 40


def test_likeness_to_pixels_and_blind_pairs(encoder, seen):
    files, points, _ = seen
    pixels = pixel_points(files)
    alike = compare(points, pixels)
    assert alike["RSA", None].value > 0.1  # even random weights see colours
    pairs = _sound(blind_pairs(points, pixels, same=0.5, different=0.2, centred=True, k=3), encoder)
    assert pairs.arrays["pairs"].shape == (min(3, int(pairs["count"].value)), 2)


def test_concepts_of_photographs(encoder, seen):
    _, points, texts = seen
    found = decompose(points, Vocabulary.of(texts, points), strength=0.1, device="cpu")
    assert _sound(found.scores, encoder)["cosine"].value > found.scores["cosine"].chance
    assert all(len(row) == 3 for row in describe(points, texts, 3))
    assert 0 < sum(row.value for row in _sound(text_span(points, texts, 4).scores, encoder)) <= 1
    features = fit_autoencoder(points, features=16, k=2, steps=30, device="cpu")
    assert _sound(features.scores, encoder)["features per image"].value <= 2


def test_typographic_attack_and_binding_of_photographs(encoder, seen):
    files, _, texts = seen
    names = [name.removeprefix("a photo of a ") for name in texts.names]
    scores = _sound(typographic_attack(encoder, files[:8], names[:8], ["pizza"] * 8, widths=(0.6,)), encoder)
    assert all(0 <= row.value <= 1 for row in scores)
    pairs = list(zip(range(0, 8, 2), range(1, 8, 2), strict=True))
    quartets = [Quartet((files[a], files[b]), (names[a], names[b])) for a, b in pairs]
    assert _sound(group_scores(encoder, quartets), encoder).table.rows[0].n == 4
    choices = [Choice(files[a], (names[a], names[b])) for a, b in pairs]
    assert _sound(choice_accuracy(encoder, choices), encoder)["accuracy"].chance == 0.5
