"""Readers that know no CLIP judge edits of scenes, and say nothing of other images."""

import numpy as np
import pytest
from PIL import Image

from clipspace.analyses.edits import Edit
from clipspace.analyses.judging import factors_kept, factors_sentence, readable, verdict
from clipspace.scenes import Scene, Thing, render
from clipspace.scenes.reading import is_scene

APPLE = Scene("white", (Thing("apple", "red"),))
GREEN = Edit("a photo of a red apple on a white ground", "a photo of a green apple on a white ground")


@pytest.mark.parametrize(
    ("edited", "arrived", "held", "words"),
    [
        (Scene("white", (Thing("apple", "green", x=0.4, rotation=20),)), True, 2, "green apple on white"),
        (Scene("mint", (Thing("apple", "green"),)), True, 1, "green apple on mint"),
        (Scene("white", (Thing("car", "blue"),)), False, 1, "blue car on white"),
        (APPLE, False, 2, "red apple on white"),
    ],
)
def test_an_edit_is_confirmed_where_the_new_value_came_and_all_else_stayed(edited, arrived, held, words):
    seen = verdict(render(APPLE), render(edited), GREEN)
    assert (seen.arrived, seen.kept, seen.others, seen.words) == (arrived, held, 2, words)
    assert seen.confirmed == (arrived and held == 2)
    assert seen.chance == (1 / 8, (1 / 18 + 1 / 6) / 2)


def test_texts_that_name_no_new_value_are_not_judged():
    for edit in (Edit(None, "a thing of beauty"), Edit("a red apple", "a photo of a red apple")):
        assert verdict(render(APPLE), render(APPLE), edit) is None
    both = verdict(render(APPLE), render(APPLE), Edit(None, "a blue car"))
    assert (both.arrived, both.others, both.chance[0]) == (False, 1, 1 / 8 / 18)


def test_only_scenes_are_readable(rng):
    noise = Image.fromarray(rng.integers(256, size=(64, 64, 3), dtype=np.uint8))
    assert readable([render(APPLE)])
    assert not readable([render(APPLE), noise])


def test_photographs_are_no_scenes(photos, cifar):
    assert not any(is_scene(Image.open(path)) for path in photos)
    assert not any(is_scene(image) for image in cifar[0][:300])


def test_what_stays_is_counted_for_each_source():
    sources = [render(APPLE), render(Scene("navy", (Thing("house", "blue"),)))]
    drawn = [[sources[0], render(Scene("white", (Thing("apple", "green"),)))], [sources[1]] * 2]
    shares = factors_kept(sources, drawn)
    assert shares == {"color": [0.5, 1], "thing": [1, 1], "ground": [1, 1]}
    assert factors_sentence(shares, 4, "images").startswith(
        "Readers without CLIP find the same values as in the source: the colour in 3 of 4 (chance 12%), the thing in 4 of 4 (chance 6%)"
    )
