import numpy as np
import pytest

from clipspace import zero_shot
from clipspace.errors import InputError
from clipspace.probes.zero_shot import label_weights
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
