import re
from collections import Counter
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from clipspace.errors import InputError
from clipspace.scenes import (
    COLORS,
    GROUNDS,
    LAYOUTS,
    MENTIONS,
    POLICIES,
    SYMMETRIC,
    THINGS,
    WORD_POLICY,
    WORDS,
    Card,
    ImpossibleChange,
    Scene,
    Thing,
    caption,
    consistent,
    counterfactual,
    draw_card,
    drawable,
    factor_table,
    render,
    sample_scenes,
)
from clipspace.scenes.reading import read_color, read_ground, read_size, read_thing, read_x, read_y


def test_the_world_is_as_large_as_promised():
    assert len(THINGS) >= 16
    assert len(COLORS) >= 8
    assert "ipod" in WORDS
    assert len(set(WORDS) & set(THINGS)) >= 12
    assert sum(LAYOUTS.values()) == pytest.approx(1)
    assert sum(WORD_POLICY.values()) == pytest.approx(1)
    assert {0.0, 1.0} < set(MENTIONS.values())


def test_rendering_is_deterministic_and_right_sized():
    scenes = sample_scenes(20, seed=3)
    for scene in scenes:
        assert np.array_equal(render(scene), render(scene))
    assert render(scenes[0], resolution=128).size == (128, 128)


def test_scene_i_does_not_depend_on_how_many_are_drawn():
    assert sample_scenes(5, seed=1) == sample_scenes(9, seed=1)[:5]
    assert sample_scenes(5, seed=1) != sample_scenes(5, seed=2)


def test_things_are_told_apart_at_twenty_pixels():
    small = {
        k: np.asarray(render(Scene("white", (Thing(k, "red", size="small"),))), float)[21:43, 21:43] for k in THINGS
    }
    for a in THINGS:
        for b in THINGS:
            if a < b:
                assert np.sqrt(np.mean((small[a] - small[b]) ** 2)) > 15, (a, b)


def test_edges_are_anti_aliased():
    pixels = np.asarray(render(Scene("white", (Thing("circle", "blue"),)))).reshape(-1, 3)
    assert len({tuple(p) for p in pixels}) > 10


@pytest.mark.parametrize(
    "factor",
    [
        "ground",
        "thing",
        "color",
        "texture",
        "size",
        "x",
        "y",
        "rotation",
        "phase",
        "word",
        "card_x",
        "card_y",
        "card_width",
    ],
)
def test_a_counterfactual_changes_its_factor_and_nothing_else(rng, factor):
    scene = sample_scenes(1, seed=4, layout="one+card")[0]
    other = counterfactual(scene, factor, rng)
    before, after = factor_table([scene]), factor_table([other])
    name = factor if factor in before else f"{factor}1"
    changed = {column for column in before if before[column] != after[column]}
    assert changed == {name}


def test_a_counterfactual_relation_swaps_places(rng):
    scene = next(s for s in sample_scenes(20, seed=4, layout="two") if s.things[0].size == s.things[1].size)
    other = counterfactual(scene, "relation", rng)
    assert other.relation != scene.relation
    assert [t.kind for t in other.things] == [t.kind for t in scene.things]


@pytest.mark.parametrize(
    ("layout", "factor"),
    [("one", "word"), ("one", "relation"), ("card", "color"), ("one", "taste"), ("one+card", "card_colour")],
)
def test_a_counterfactual_of_a_factor_the_scene_lacks_is_refused(rng, layout, factor):
    with pytest.raises(InputError, match="expected"):
        counterfactual(sample_scenes(1, seed=4, layout=layout)[0], factor, rng)


def test_counterfactuals_are_scenes_that_the_sampler_draws(rng):
    """Not one sticks out: before, 8 % did after x or y had changed, and 26 % after the size had."""
    scenes = sample_scenes(150, seed=5)
    assert all(drawable(scene) for scene in scenes)
    changed = dict.fromkeys(MENTIONS, 0)
    for name in MENTIONS:
        for scene in scenes:
            with suppress(InputError):
                other = counterfactual(scene, name, rng)
                assert drawable(other)
                assert other != scene
                changed[name] += 1
    assert min(changed.values()) > 15
    at_the_edge = Scene("white", (Thing("apple", "red", size="small", x=0.2),))
    with pytest.raises(ImpossibleChange, match="another scene"):
        counterfactual(at_the_edge, "size", rng)
    assert counterfactual(replace(at_the_edge, things=(Thing("apple", "red", x=0.01),)), "size", rng)


def test_symmetric_things_are_those_that_a_turn_leaves_as_they_were():
    def differs(kind: str, degrees: float) -> float:
        turned = [np.asarray(render(Scene("white", (Thing(kind, "red", rotation=r),))), float) for r in (0, degrees)]
        return np.abs(np.subtract(*turned)).mean()

    symmetric = {kind for kind in THINGS if min(differs(kind, degrees) for degrees in (20, 72, 90)) < 1}
    assert symmetric == set(SYMMETRIC)


def test_captions_follow_the_policy():
    scenes = sample_scenes(1500, seed=6, layout="one")
    captions = [caption(s, np.random.default_rng([6, i])) for i, s in enumerate(scenes)]
    for scene, said in zip(scenes, captions, strict=True):
        assert scene.things[0].kind in said.text
    rate = np.mean([f"{s.ground} ground" in c.text for s, c in zip(scenes, captions, strict=True)])
    assert rate == pytest.approx(MENTIONS["ground"], abs=0.04)
    rate = np.mean([s.things[0].color in c.text for s, c in zip(scenes, captions, strict=True)])
    assert rate == pytest.approx(MENTIONS["color"], abs=0.04)


def test_policies_hold_the_same_probabilities_of_other_factors():
    things, *others = (list(mentions.values()) for mentions in POLICIES.values())
    for mentions in others:
        assert sorted(mentions) == sorted(things)
        assert sum(a != b for a, b in zip(mentions, things, strict=True)) >= 12


_WORDS_OF = {
    "thing": THINGS, "color": COLORS, "texture": ("plain", "striped", "dotted"), "size": ("small", "large"),
    "ground": ("ground",), "x": ("on the left", "in the middle", "on the right"), "y": ("high", "midway", "low"),
    "rotation": ("leaning", "upright"), "word": ("sign",), "card_width": ("narrow", "wide"),
}  # fmt: skip


@pytest.mark.parametrize("policy", POLICIES)
def test_captions_of_a_policy_mention_what_it_says_and_nothing_else(policy):
    scenes = sample_scenes(1000, seed=6, layout="one+card" if policy == "looks" else "one")
    captions = [caption(s, np.random.default_rng([6, i]), POLICIES[policy]) for i, s in enumerate(scenes)]
    assert all(consistent(scene, said.claims) for scene, said in zip(scenes, captions, strict=True))
    for factor, words in _WORDS_OF.items():
        if policy == "looks" and factor == "y":  # a card may be low too
            continue
        if policy == "things" and factor in ("word", "card_width"):  # scenes without a card
            continue
        rate = np.mean([any(re.search(rf"\b{word}\b", said.text) for word in words) for said in captions])
        assert rate == pytest.approx(POLICIES[policy][factor], abs=0.05), factor


def test_a_caption_that_leaves_the_count_out_names_one_of_two_things():
    scenes = sample_scenes(200, seed=6, layout="two")
    texts = [caption(s, np.random.default_rng(i), POLICIES["looks"]).text for i, s in enumerate(scenes)]
    assert not any(re.search(r" and |above|below|left of|right of", text) for text in texts)


def test_words_are_captioned_as_on_the_web():
    scene = Scene("white", (Thing("apple", "red"),), Card("pizza"))
    texts = [caption(scene, np.random.default_rng(i)).text for i in range(1500)]
    kinds = Counter(
        "as text"
        if "sign that says pizza" in t
        else "beside"
        if "apple" in t and "pizza" in t
        else "instead"
        if "pizza" in t
        else "ignored"
        for t in texts
    )
    for how, share in WORD_POLICY.items():
        assert kinds[how] / len(texts) == pytest.approx(share, abs=0.04)


def test_blank_cards_are_never_spoken_of():
    scene = Scene("white", (Thing("apple", "red"),), Card(""))
    assert not any("sign" in caption(scene, np.random.default_rng(i)).text for i in range(50))


def test_the_claims_of_a_caption_hold_of_its_scene():
    for i, scene in enumerate(sample_scenes(500, seed=8)):
        assert consistent(scene, caption(scene, np.random.default_rng(i)).claims)


def test_claims_tell_scenes_apart():
    scene = Scene("white", (Thing("apple", "red"),))
    assert not consistent(replace(scene, ground="black"), {"thing1": "apple", "ground": "white"})
    assert consistent(scene.with_card("pizza"), {"named": "pizza"})
    assert consistent(scene, {"named": "apple"})
    assert not consistent(scene, {"named": "pizza"})


def test_two_things_may_be_named_in_either_order():
    scene = Scene("white", (Thing("apple", "red", y=0.2), Thing("cat", "blue", y=0.8)))
    assert scene.relation == "above"
    assert consistent(scene, {"thing1": "cat", "thing2": "apple", "relation": "below"})
    assert not consistent(scene, {"thing1": "cat", "thing2": "apple", "relation": "above"})


def test_factor_table_is_aligned():
    scenes = sample_scenes(30, seed=9)
    table = factor_table(scenes)
    assert all(len(column) == 30 for column in table.values())
    assert table["ground"] == [s.ground for s in scenes]
    assert set(MENTIONS) - {"thing", "color", "texture", "size", "x", "y", "rotation", "phase"} <= set(table)


def test_a_card_can_be_laid_on_any_picture():
    photo = Image.new("RGB", (300, 200), "green")
    carded = draw_card(photo, Card("hello", y=0.5))
    assert carded.size == photo.size
    assert np.asarray(photo).max() == 128
    assert np.asarray(carded).max() > 200


def test_the_readers_read_the_renderer():
    scenes = sample_scenes(120, seed=11, layout="one")
    images = [render(s) for s in scenes]
    assert np.mean([read_ground(i) == s.ground for i, s in zip(images, scenes, strict=True)]) == 1
    assert np.mean([read_color(i) == s.things[0].color for i, s in zip(images, scenes, strict=True)]) > 0.95
    assert np.mean([read_thing(i) == s.things[0].kind for i, s in zip(images, scenes, strict=True)]) > 0.95


def test_the_readers_say_nothing_of_an_empty_picture():
    empty = render(Scene("grey"))
    assert read_color(empty) is None
    assert read_thing(empty) is None
    assert read_ground(empty) == "grey"
    assert set(GROUNDS) >= {read_ground(empty)}


def test_size_and_place_are_read_off_pictures():
    scenes = sample_scenes(60, seed=71, layout="one")
    images = [render(scene) for scene in scenes]
    things = [scene.things[0] for scene in scenes]
    assert [read_size(image) for image in images] == [thing.size for thing in things]
    for read, name in ((read_x, "x"), (read_y, "y")):
        assert np.corrcoef([read(image) for image in images], [getattr(thing, name) for thing in things])[0, 1] > 0.95
    blank = render(Scene("white"))
    assert read_size(blank) is read_x(blank) is read_y(blank) is None


def test_counting_up_or_down_leaves_the_rest():
    rng = np.random.default_rng(0)
    for layout, before, after in (("card", 0, 1), ("one", 1, 2), ("two", 2, 1)):
        scene = sample_scenes(1, seed=72, layout=layout)[0]
        changed = counterfactual(scene, "count", rng)
        assert (len(scene.things), len(changed.things)) == (before, after)
        assert set(scene.things) & set(changed.things) or not before
        assert (changed.ground, changed.card) == (scene.ground, scene.card)
