import numpy as np
import pytest

from clipspace.errors import SpaceMismatchError
from clipspace.points.embeddings import Embeddings
from clipspace.probes.mini_world import FACTORS, describe, sentence, truth
from clipspace.scenes import Scene, Thing, render, sample_scenes


def test_scenes_are_described_as_they_are(space):
    scenes = sample_scenes(40, seed=51, layout="one")
    found = describe(space, space.encode_images([render(scene) for scene in scenes]))
    right = [
        facts[factor] == truth(scene)[factor] for facts, scene in zip(found, scenes, strict=True) for factor in FACTORS
    ]
    assert np.mean(right) > 0.95


def test_truth_and_sentence_say_what_is_there():
    scene = Scene("mint", (Thing("apple", "orange"),))
    assert truth(scene) == {"color": "orange", "thing": "apple", "ground": "mint"}
    assert sentence(truth(scene)) == "a photo of an orange apple on a mint ground"


def test_points_of_another_space_are_refused(space):
    with pytest.raises(SpaceMismatchError, match="describe"):
        describe(space, Embeddings(np.ones((1, 128))))
