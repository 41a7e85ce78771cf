"""Retention: planted truths for each component, and the calibration on the mini space, where the truth is known."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from planted import smooth_pictures

from clipspace.errors import CapabilityError, InputError
from clipspace.probes.factors import rank_agreement, retention, scene_factors
from clipspace.probes.factors.sensitivity import typical_angle
from clipspace.scenes import MENTIONS, ImpossibleChange, Scene, Thing, sample_scenes
from clipspace.space import untrained_space

SEED = 4001
"""Scenes of this seed, and of those next to it, no training saw."""
ALWAYS_SEEN = ("thing", "count")
SOMETIMES = ("color", "ground", "word", "texture", "size")
NEVER = tuple(name for name, how_often in MENTIONS.items() if how_often == 0)


pytestmark = pytest.mark.filterwarnings("ignore:read-out. [0-9]+ points to learn")


QUICK = {"capacities": ("linear", "neighbours"), "pairs": 20, "seed": 0}


@pytest.fixture(scope="module")
def scenes():
    return sample_scenes(600, seed=SEED)


@pytest.fixture(scope="module")
def twin():
    return untrained_space("mini", seed=1, device="cpu")


@pytest.fixture(scope="module")
def mini(space, scenes):
    return retention(space, scenes, **QUICK)


def _of(result, component, layer="embedding"):
    return {row.factor: row for row in result if (row.layer, row.component) == (layer, component)}


@pytest.mark.parametrize("component", ["availability", "best", "linear", "neighbours", "usable", "sensitivity"])
def test_each_component_ranks_what_is_said_above_what_never_is(mini, component):
    scores = {name: row.value for name, row in _of(mini, component).items()}
    never = max(value for name, value in scores.items() if name in NEVER)
    assert min(scores[name] for name in ALWAYS_SEEN) > never + 0.2
    assert min(scores[name] for name in SOMETIMES) > never


def test_nothing_that_is_never_said_can_be_read_out(mini):
    assert all(mini["embedding", "linear", name].value < 0.15 for name in NEVER)


def test_without_a_positive_control_a_factor_is_neither_kept_nor_ignored(mini):
    unmeasured = mini.labels["not measurable"]
    assert {"rotation", "phase"} <= set(unmeasured)
    assert {*ALWAYS_SEEN, *SOMETIMES} <= set(_of(mini, "availability"))
    assert not set(unmeasured) & set(_of(mini, "availability"))
    assert set(unmeasured) <= set(_of(mini, "best"))
    assert "not measurable here" in mini.findings[0]
    assert mini.labels["factors"][-len(unmeasured) :] == unmeasured


def test_layers_stand_side_by_side(mini):
    assert set(mini.column("layer")) == {"embedding", "features", "pixels", "code"}
    code = _of(mini, "best", "code")
    assert all(code[name].value > 0.95 for name in code if name != "relation")
    for name in _of(mini, "availability"):
        ceiling = mini.labels["ceilings"][mini.labels["factors"].index(name)]
        share = mini["embedding", "best", name].value / mini[ceiling, "best", name].value
        assert mini["embedding", "availability", name].value == pytest.approx(share)


def test_a_column_has_the_availability_of_the_factor_that_can_be_changed(space, scenes):
    alone = [scene for scene in scenes if len(scene.things) == 1 and scene.card is None]
    sizes = [scene.things[0].size for scene in alone]
    options = QUICK | {"factors": ["size", "size as a column"], "pairs": 4}
    both = retention(space, alone, columns={"size as a column": sizes}, **options)
    factor, column = (both["embedding", "availability", name] for name in options["factors"])
    assert factor.low <= column.value <= factor.high
    assert "size as a column" not in _of(both, "sensitivity")


def test_availability_agrees_with_the_truth(mini):
    rho = rank_agreement(mini, MENTIONS)
    assert rho["availability"].value > 0.6
    assert rho["usable"].value > 0.7
    assert rho["availability"].value < rho["ceiling"].value < 1
    assert "phase" in rho.findings[0]


def test_a_control_is_read_beside(space, twin):
    scenes = sample_scenes(200, seed=SEED + 4, layout="one")
    options = {"factors": ["thing"], "pairs": 2, "capacities": ("linear",)}
    beside = retention(space, scenes, controls={"untrained": twin}, **options)
    assert {"untrained embedding", "untrained features"} <= set(beside.column("layer"))
    assert _of(beside, "best", "untrained embedding")["thing"].high < _of(beside, "best")["thing"].low


@pytest.mark.slow
def test_agreement_beyond_a_control(mini, twin, scenes):
    """Partial rho against regressing ranks on ranks; of a space beyond itself nothing is left."""
    from scipy.stats import rankdata

    control = retention(twin, scenes, **QUICK)
    names = [name for name in mini.labels["factors"] if name not in mini.labels["not measurable"]]
    a, c = ([result["embedding", "sensitivity", n].value for n in names] for result in (mini, control))
    x, y, z = (rankdata(values) - (len(names) + 1) / 2 for values in (a, [MENTIONS[n] for n in names], c))
    left = [v - z * (v @ z) / (z @ z) for v in (x, y)]
    expected = left[0] @ left[1] / np.sqrt((left[0] @ left[0]) * (left[1] @ left[1]))
    beyond = rank_agreement(mini, MENTIONS, control=control, over="factors")
    assert beyond["sensitivity"].value == pytest.approx(expected)
    assert rank_agreement(control, MENTIONS, control=control)["sensitivity"].value == 0


def test_untrained_weights_are_drawn_by_the_seed(caplog):
    a, b, c = (untrained_space("mini", seed=seed, device="cpu").stamp for seed in (1, 1, 2))
    assert a == b
    assert a.weights != c.weights
    assert not caplog.records  # weights drawn on purpose are not warned of


def test_rank_agreement_equals_scipy(mini):
    from scipy.stats import spearmanr

    names = list(_of(mini, "availability"))
    values = [mini["embedding", "linear", n].value for n in names]
    expected = spearmanr(values, [MENTIONS[n] for n in names]).statistic
    assert rank_agreement(mini, MENTIONS)["linear"].value == pytest.approx(expected)
    with pytest.raises(InputError, match="four factors"):
        rank_agreement(mini, {"thing": 1.0})
    with pytest.raises(InputError, match="over"):
        rank_agreement(mini, MENTIONS, over="rows")


def test_the_table_reads_as_text_json_and_frame(mini):
    wide = mini.table.where(layer="embedding").pivot("factor", "component")
    lines = str(wide).splitlines()
    assert lines[0].split()[:4] == ["factor", "availability", "best", "linear"]
    assert len(lines) == 1 + len(MENTIONS)
    values = [row.value for row in _of(mini, "availability").values()]
    assert values == sorted(values, reverse=True)
    assert json.loads(mini.to_json())["table"][0]["factor"] == mini.labels["factors"][0]
    assert wide.to_frame().loc["thing", "linear"] == mini["embedding", "linear", "thing"].value
    with pytest.raises(InputError, match="of one row"):
        mini["decodes", "recovery", "thing"]


def test_retention_repeats_with_its_seed_and_has_a_curve(space):
    scenes = sample_scenes(170, seed=SEED + 1, layout="one")
    options = {"factors": ["color"], "pairs": 5, "curve": True, "capacities": ("linear",)}
    a, b, c = (retention(space, scenes, seed=seed, **options) for seed in (0, 0, 1))
    assert str(a) == str(b) != str(c)
    counts, best = a.arrays["curve"][0, :, 0], a.arrays["curve"][0, :, 1]
    assert counts.tolist() == [21, 42, 85, 170]
    assert best[0] < best[-1] == a["embedding", "best", "color"].value


@pytest.mark.filterwarnings("ignore:read-out")
def test_retention_decodes_and_reports_its_controls(space):
    scenes = sample_scenes(80, seed=SEED + 2, layout="one")
    options = {"factors": ["color", "ground"], "pairs": 4, "decoded": 3, "decodes": 2, "capacities": ("linear",)}
    result = retention(space, scenes, num_inference_steps=2, **options)
    decoded = result.where(layer="decodes")
    assert {"recovery", "unconditional", "reader", "cycle"} <= set(decoded.column("component"))
    assert result["decodes", "reader", "color"].value > 0.6
    assert "cycle agreement" in str(result)


# Real images: the factors are augmentations.


def test_photos_need_no_special_case_and_grey_is_seen(space, rng):
    from clipspace.sources.images import read_images

    pictures = smooth_pictures(200, rng)
    result = retention(
        space,
        read_images(pictures)[0],
        factors=["grey", "scale", "half"],
        columns={"half": ["a", "b"] * 100},
        pairs=10,
        capacities=("linear",),
    )
    assert result["embedding", "linear", "grey"].value > 0.8
    assert abs(result["embedding", "linear", "half"].value) < 0.3
    assert "half" in result.labels["not measurable"]
    assert "half" not in _of(result, "sensitivity")
    assert "code" not in result.column("layer")


@pytest.mark.parametrize("encoder", ["twin", pytest.param("vit_b_32", marks=pytest.mark.slow)])
def test_real_photos_through_untrained_weights(encoder, request):
    folder = os.environ.get("CLIPSPACE_TEST_DATA")
    if not folder:
        pytest.skip("CLIPSPACE_TEST_DATA is not set")
    photos = sorted(Path(folder, "photos").iterdir())[:24]
    untrained = request.getfixturevalue(encoder)
    with pytest.warns(UserWarning, match="dimensions"):
        result = retention(untrained, photos, factors=["grey", "rotation"], pairs=3, capacities=("linear",))
    assert set(result.labels["factors"]) == {"grey", "rotation"}
    assert result.provenance.stamp == untrained.stamp
    assert untrained.stamp.dim == {"twin": 128, "vit_b_32": 512}[encoder]


# Bad input.


def test_a_label_that_one_image_has_alone_is_left_out_with_a_warning(space):
    scenes = sample_scenes(60, seed=SEED + 5, layout="one")
    shelf = ["left", "right"] * 29 + ["attic", "cellar"]
    options = {"factors": ["shelf"], "columns": {"shelf": shelf}, "capacities": ("linear",)}
    with pytest.warns(UserWarning, match=r"'shelf' has 2 labels that one image has alone, \['attic', 'cellar'\]"):
        result = retention(space, scenes, **options)
    assert result["embedding", "linear", "shelf"].n == 58
    numbered = options | {"columns": {"shelf": [f"image {i}" for i in range(60)]}}
    with pytest.warns(UserWarning, match="60 labels"), pytest.raises(InputError, match="at least 20 images"):
        retention(space, scenes, **numbered)


def test_retention_refuses_what_it_cannot_measure(space):
    one = [Scene("white", (Thing("apple", "red", x=x),)) for x in np.linspace(0.3, 0.7, 30)]
    with pytest.raises(InputError, match=r"factors that vary.*\['color'\]"):
        retention(space, one, factors=["color"])
    with pytest.raises(InputError, match="factors that vary"):
        retention(space, one[:1] * 30)
    with pytest.raises(InputError, match="at least 20 images"):
        retention(space, sample_scenes(10, seed=SEED, layout="one"), factors=["color"])
    with pytest.raises(InputError, match="none"):
        retention(space, [])
    with pytest.raises(InputError, match="pairs"):
        retention(space, one, pairs=1)
    with pytest.raises(InputError, match="30 values in the column 'y'"):
        retention(space, one, columns={"y": [1, 2]})
    with pytest.raises(InputError, match=r"other names than the factors, got \['x'\]"):
        retention(space, one, columns={"x": ["a", "b"] * 15})
    with pytest.raises(InputError, match="decoded from 2"):
        retention(space, one, factors=["x"], decoded=20)
    with pytest.raises(CapabilityError, match="no decoder"):
        retention(untrained_space("mini", seed=0, device="cpu"), one, factors=["x"], decoded=2)
    with pytest.raises(InputError, match="same embedding"):
        typical_angle(np.ones((5, 3)))


def test_a_change_of_a_scene_is_a_change_of_that_factor_alone():
    scenes = sample_scenes(200, seed=SEED + 3)
    for factor in scene_factors(scenes):
        differs = []
        for i in factor.rows[:12].tolist():
            try:
                image, value = factor.change(i, np.random.default_rng(i))
            except ImpossibleChange:
                continue
            assert value != factor.values[i]
            differs.append(np.asarray(image).tolist() != np.asarray(factor.image(i)).tolist())
        assert any(differs), factor.name  # a card may grow by less than a pixel
