import numpy as np
import pytest
from scipy.special import softmax

from clipspace import Embeddings, zero_shot
from clipspace.errors import InputError, SampleWarning, SpaceMismatchError
from clipspace.probes.classification import _calibration, zero_shot_accuracy
from clipspace.probes.templates import label_weights, read_templates
from clipspace.scenes import COLORS, render, sample_scenes


def test_probabilities_equal_softmax_of_scaled_cosines(space, apple, house):
    labels = ["a red apple", "a blue house", "a cat"]
    result = zero_shot(space, [apple, house], labels)
    texts = space.encode_texts([f"a photo of {label}" for label in labels])
    logits = space.encoder.logit_scale * space.encode_images([apple, house]).unit @ texts.unit.T
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.allclose(result.probabilities, expected)
    assert result.best == ["a red apple", "a blue house"]
    assert result.chance == pytest.approx(1 / 3)


def test_templates_are_averaged_as_unit_vectors(space):
    weights = label_weights(space, ["a cat"], ["a photo of {}", "a drawing of {}"])
    texts = space.encode_texts(["a photo of a cat", "a drawing of a cat"]).unit.mean(axis=0)
    assert np.allclose(weights[0], texts / np.linalg.norm(texts))


def test_colours_are_read_far_above_chance(space):
    scenes = sample_scenes(60, seed=55, layout="one")
    labels = [f"a {color} thing" for color in COLORS]
    best = zero_shot(space, [render(s) for s in scenes], labels).best
    assert np.mean([b == f"a {s.things[0].color} thing" for b, s in zip(best, scenes, strict=True)]) > 0.5


def test_one_label_is_refused(space, apple):
    with pytest.raises(InputError, match="at least two labels"):
        zero_shot(space, apple, ["a cat"])
    with pytest.raises(InputError, match="labels that differ"):
        zero_shot(space, apple, ["a cat", "a cat"])


def test_labels_of_one_text_are_classes_of_one_probability(space, apple, house):
    labels = ["a red apple", "a cat", "a blue house", "a cat"]
    with pytest.warns(SampleWarning, match=r"\['a cat'\]"):
        found = zero_shot(space, [apple, house], labels)
    texts = space.encode_texts([f"a photo of {label}" for label in labels])
    logits = space.encoder.logit_scale * space.encode_images([apple, house]).unit @ texts.unit.T
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.allclose(found.probabilities, expected)
    assert np.array_equal(found.probabilities[:, 1], found.probabilities[:, 3])
    assert found.labels == tuple(labels)
    assert found.chance == 1 / 4


@pytest.mark.filterwarnings("ignore:zero_shot")
def test_class_numbers_count_each_of_two_classes_of_one_text(space, apple, house):
    labels = ["a red apple", "a blue house", "a red apple"]
    scores = zero_shot_accuracy(space, [apple, house, apple], [0, 1, 2], labels, k=2, per_class=True)
    assert scores["top-1", None].value == pytest.approx(2 / 3)  # the first of one text is the answer
    assert scores["top-2", None].value == 1
    assert scores["top-1", "a red apple (0)"].value == 1
    assert scores["top-1", "a red apple (2)"].value == 0
    by_name = zero_shot_accuracy(space, [apple, house, apple], ["a red apple", "a blue house", "a red apple"], labels)
    assert by_name["top-1"].value == 1


def test_class_numbers_beyond_the_labels_are_refused(space, apple):
    with pytest.raises(InputError, match="from 0 to 1, got 0 to 2"):
        zero_shot_accuracy(space, [apple, apple], [0, 2], ["an apple", "a house"])
    assert zero_shot_accuracy(space, [apple], [3], ["3", "4"]).provenance.options["labels"] == ["3", "4"]


@pytest.fixture(scope="module")
def things(space):
    """Embeddings of single things, with their kind as a column."""
    scenes = [s for s in sample_scenes(150, seed=77, layout="one") if not s.card]
    kinds = [s.things[0].kind for s in scenes]
    points = space.encode_images([render(s) for s in scenes])
    return Embeddings(points.vectors, points.stamp, columns={"kind": kinds})


def test_accuracies_are_counted_as_by_hand(space, things):
    scores = zero_shot_accuracy(space, things, "kind", per_class=True)
    labels, kinds = sorted(set(things.columns["kind"])), np.array(things.columns["kind"])
    found = zero_shot(space, things, labels).probabilities
    best = np.array(labels)[found.argmax(axis=1)]
    ranks = (found > found[np.arange(len(kinds)), [labels.index(x) for x in kinds]][:, None]).sum(axis=1)
    assert scores["top-1", None].value == np.mean(best == kinds) > 0.5
    assert scores["top-1", None].chance == 1 / len(labels)
    assert scores["top-5", None].value == np.mean(ranks < 5)
    each = [np.mean(best[kinds == label] == label) for label in labels]
    assert [scores["top-1", label].value for label in labels] == pytest.approx(each)
    assert scores["balanced accuracy", None].value == pytest.approx(np.mean(each))
    assert scores.arrays["confusion"].sum() == len(things)


def test_chance_of_the_calibration_error_is_that_of_calibrated_answers(rng):
    errors, chances, low = [], [], []
    for seed in range(20):
        confidence = rng.uniform(0.3, 1, 200)
        found = _calibration(confidence, (rng.random(200) < confidence).astype(float), seed)
        errors.append(found.value), chances.append(found.chance), low.append(found.low)
        assert found.low <= found.value <= found.high
    assert np.mean(errors) == pytest.approx(np.mean(chances), rel=0.1)
    wrong = _calibration(confidence, np.zeros(200), 0)
    assert wrong.value == pytest.approx(confidence.mean())
    assert wrong.low > 5 * wrong.chance


def test_calibration_of_pairs_is_of_each_image_with_each_label(rng):
    """As a model trained by the sigmoid promises: of pairs said to belong together with .2, a fifth do."""
    confidence = rng.uniform(0, 0.4, (300, 20))
    found = _calibration(confidence, (rng.random((300, 20)) < confidence).astype(float), 0)
    assert found.value < 2 * found.chance
    assert found.n == 300
    never = _calibration(confidence, np.zeros((300, 20)), 0)
    assert never.value == pytest.approx(confidence.mean())
    assert never.low > 5 * never.chance


def test_a_label_shuffled_truth_scores_chance(space, things, rng):
    row = zero_shot_accuracy(space, things, rng.permutation(things.columns["kind"]))["top-1"]
    assert row.low - 0.02 <= row.chance <= row.high + 0.02


def test_named_templates_are_the_published_sets(space):
    assert [len(read_templates(name)) for name in ("imagenet-80", "imagenet-7", "photo")] == [80, 7, 1]
    assert "a bad photo of a {}." in read_templates("imagenet-80")
    assert set(read_templates("imagenet-7")) < set(read_templates("imagenet-80"))
    assert np.allclose(
        label_weights(space, ["cat"], "imagenet-7"), label_weights(space, ["cat"], read_templates("imagenet-7"))
    )


def test_bad_labels_and_templates_are_refused(space, things):
    with pytest.raises(InputError, match="got also"):
        zero_shot_accuracy(space, things, "kind", ["cat", "dog"])
    with pytest.raises(InputError, match="one per vector"):
        zero_shot_accuracy(space, things, ["cat"])
    with pytest.raises(InputError, match="1 empty ones"):
        zero_shot(space, things, ["cat", " "])
    with pytest.raises(InputError, match="k of at least 1"):
        zero_shot_accuracy(space, things, "kind", k=0)
    with pytest.raises(InputError, match="imagenet-80"):
        zero_shot(space, things, ["a", "b"], templates="imagenet")
    for templates in ([], ["a photo"], ["{} and {}"]):
        with pytest.raises(InputError, match="for the label each"):
            zero_shot(space, things, ["a", "b"], templates=templates)
    with pytest.raises(SpaceMismatchError):
        zero_shot(space, Embeddings(things.vectors), ["a", "b"])


def test_text_vectors_in_place_of_a_space_give_what_the_space_gives(space):
    labels = ["apple", "house", "star"]
    images = space.encode_images([render(scene) for scene in sample_scenes(12, seed=3)])
    texts = space.encode_texts([f"a photo of {label}" for label in labels])
    given = Embeddings(texts.vectors, texts.stamp, "text", labels)
    expected = zero_shot(space, images, labels)
    assert zero_shot(given, images, labels).best == expected.best
    scale = space.encoder.logit_scale / 100
    assert np.allclose(
        softmax(np.log(zero_shot(given, images, labels).probabilities) * scale, axis=1), expected.probabilities
    )
    assert zero_shot(given, images, labels[::-1]).best == expected.best


def test_text_vectors_of_one_label_are_averaged_as_templates_are(space):
    labels, templates = ["apple", "house"], ["a photo of {}", "a {} on white"]
    images = space.encode_images([render(scene) for scene in sample_scenes(6, seed=3)])
    texts = space.encode_texts([template.format(label) for label in labels for template in templates])
    given = Embeddings(texts.vectors, texts.stamp, "text", ["apple", "apple", "house", "house"])
    assert np.allclose(label_weights(given, labels), label_weights(space, labels, templates))
    assert zero_shot(given, images, labels).best == zero_shot(space, images, labels, templates=templates).best


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ["apple", "horse"]}, r"got none of \['horse'\]"),
        ({"templates": "imagenet-7"}, "expected none beside text vectors"),
        ({"probability": "sigmoid"}, "no logit bias"),
        ({"images": ["a.png"]}, "no model is there to encode images"),
    ],
)
def test_what_text_vectors_cannot_do_is_refused(change, message):
    given = Embeddings(np.eye(2), None, "text", ["apple", "house"])
    call = {"images": Embeddings(np.eye(2)), "labels": ["apple", "house"], **change}
    with pytest.raises(InputError, match=message):
        zero_shot(given, **call)
