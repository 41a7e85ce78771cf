import numpy as np
import pytest

from clipspace.analyses.edits import EXAMPLE_EDITS, Edit, after_probability, bundled_edits, edits
from clipspace.analyses.examples import EXAMPLES
from clipspace.errors import InputError
from clipspace.probes.mini_world import sentence, truth
from clipspace.scenes import Scene, Thing, render

SCENES = [
    Scene(ground, (Thing("house", color),)) for ground, color in (("mint", "red"), ("white", "blue"), ("navy", "pink"))
]


@pytest.fixture(scope="module")
def points(space):
    return space.encode_images([render(scene) for scene in SCENES])


@pytest.mark.parametrize(
    ("before", "after", "label"),
    [
        ("a photo of a red cat", "a photo of a blue cat", "red → blue"),
        ("a cat", "a cat in the snow", "∅ → in the snow"),
        ("a red cat", "an orange cat", "red → orange"),
        ("a cat", "a dog", "cat → dog"),
        ("a a", "a", "a → ∅"),
        (None, "a dog", "→ a dog"),
    ],
)
def test_a_label_holds_the_words_that_differ(before, after, label):
    assert Edit(before, after).label == label


def test_suggested_edits_start_from_what_is_seen_and_change_one_factor_in_turn(space, points):
    found = edits(space, points)
    assert [edit.before for edit in found] == [sentence(truth(scene)) for scene in SCENES]
    for edit, scene, factor in zip(found, SCENES, ("color", "ground", "color"), strict=True):
        old, new = (value.split()[-1] for value in edit.label.split(" → "))  # less an article
        assert truth(scene)[factor] == old
        assert edit.after == sentence(truth(scene) | {factor: new})


def test_own_texts_are_the_same_for_all_and_need_something_to_become(space, points):
    assert edits(space, points, "a house", "a tree") == [Edit("a house", "a tree")] * 3
    assert edits(space, points, after="a tree") == [Edit(None, "a tree")] * 3
    with pytest.raises(InputError, match="after="):
        edits(space, points, before="a house")


def test_the_probability_is_the_two_way_softmax_of_scaled_cosines(space, points):
    edit = Edit("a red house on a mint ground", "a blue house on a white ground")
    found = after_probability(space, points, edit)
    old, new = space.encode_texts(list(edit)).unit
    expected = 1 / (1 + np.exp(space.encoder.logit_scale * points.unit @ (old - new)))
    assert np.allclose(found, expected)
    assert found[0] < 0.5 < found[1]
    assert after_probability(space, points, Edit(None, "a tree")) == [None] * 3


def test_edits_of_the_bundled_scenes_start_from_what_is_true_and_change_one_factor():
    for edit, scene, new in zip(bundled_edits(), EXAMPLES, EXAMPLE_EDITS, strict=True):
        assert edit == Edit(sentence(truth(scene)), sentence(truth(scene) | new))
        assert len(new) == 1
        assert edit.before != edit.after
