"""Retention: planted truths for each component, and the calibration on the mini space, where the truth is known."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipspace import Embeddings
from clipspace.errors import CapabilityError, InputError
from clipspace.probes.retention import AUGMENTATIONS, Factor, rank_agreement, read_out, retention, scene_factors
from clipspace.probes.retention.recovery import (
    cycle_agreement,
    cycle_read_out,
    draw_unconditionally,
    recovery,
    unconditional,
)
from clipspace.probes.retention.sensitivity import consistency, sensitivity, typical_angle
from clipspace.scenes import COLORS, GROUNDS, MENTIONS, THINGS, Scene, Thing, render, sample_scenes
from clipspace.scenes.reading import read_color, read_thing
from clipspace.space import untrained_space

SEED = 4001
"""Scenes of this seed, and of those next to it, no training saw."""
ALWAYS_SEEN = ("thing", "count")
SOMETIMES = ("color", "ground", "word", "texture", "size")
NEVER = tuple(name for name, how_often in MENTIONS.items() if how_often == 0)


pytestmark = pytest.mark.filterwarnings("ignore:read-out. 123 points")


@pytest.fixture(scope="module")
def scenes():
    return sample_scenes(1200, seed=SEED)


@pytest.fixture(scope="module")
def mini(space, scenes):
    return retention(space, scenes, pairs=80, seed=0)


@pytest.fixture(scope="module")
def control(scenes):
    return retention(untrained_space("mini", seed=1, device="cpu"), scenes, pairs=80, seed=0)


def planted(rng, n, d=32):
    """Points on a direction of which a value is written with a known share of the variance (a half)."""
    value = rng.normal(size=n)
    z = rng.normal(size=(n, d))
    z[:, 0] = value + rng.normal(size=n)
    return z, value


def test_read_out_finds_the_planted_share_of_an_amount(rng):
    z, value = planted(rng, 4000)
    found = read_out(z, value.tolist())["linear"]
    assert found.value == pytest.approx(0.5, abs=0.05)
    assert found.low < found.value < found.high


def test_read_out_finds_labels_and_phases_and_nothing_in_shuffled_ones(rng):
    z, value = planted(rng, 1500)
    z[:, 0] = 3 * value
    labels = np.where(value > 0, "up", "down")
    assert read_out(z, labels.tolist())["linear"].value > 0.9
    assert abs(read_out(z, rng.permutation(labels).tolist())["linear"].value) < 0.12
    phase = rng.uniform(size=1500)
    z[:, :2] = 4 * np.stack([np.cos(2 * np.pi * phase), np.sin(2 * np.pi * phase)], axis=1)
    circular = read_out(z, phase.tolist(), period=1.0)
    assert circular["linear"].value > 0.9
    assert circular["neighbours"].value > 0.5
    assert read_out(z, phase.tolist())["linear"].value < 0.7
    assert abs(read_out(z, rng.permutation(phase).tolist(), period=1.0)["linear"].value) < 0.1


def test_linear_read_out_equals_scikit_learn_on_the_same_split(rng):
    from sklearn.linear_model import RidgeCV
    from sklearn.preprocessing import StandardScaler

    from clipspace.probes.retention.readout import STRENGTHS, halves

    z, value = planted(rng, 300)
    u = z / np.linalg.norm(z, axis=1, keepdims=True)
    train, test = halves(value[:, None], False, np.random.default_rng([7, 1]))
    scaler = StandardScaler().fit(u[train])
    y = (value - value.mean()) / value.std()
    fitted = RidgeCV(STRENGTHS).fit(scaler.transform(u[train]), y[train])
    error = np.mean((fitted.predict(scaler.transform(u[test])) - y[test]) ** 2)
    skill = read_out(z, value.tolist(), seed=7)["linear"].value
    assert skill == pytest.approx(1 - error / np.var(y[test]), abs=0.03)


def test_sensitivity_is_the_angle_over_the_typical_angle(rng):
    before = np.zeros((50, 8))
    before[:, 0] = 1
    after = before.copy()
    after[:, 1] = np.tan(0.3)
    assert sensitivity(before, after, typical=1.5).value == pytest.approx(0.2)
    assert sensitivity(before, 3 * before, typical=1.5).value == 0
    spread = rng.normal(size=(400, 512))
    assert typical_angle(spread) == pytest.approx(np.pi / 2, abs=0.01)


def test_consistency_is_one_for_a_shared_direction_and_chance_for_none(rng):
    before = rng.normal(size=(200, 64))
    before /= np.linalg.norm(before, axis=1, keepdims=True)
    old, new = rng.integers(4, size=200), rng.integers(4, size=200)
    directions = rng.normal(size=(4, 64)) * 1e-3
    shared = before + directions[new] - directions[old]
    same = old == new
    how = {"period": None, "seed": 0}
    found = consistency(before[~same], shared[~same], old[~same].tolist(), new[~same].tolist(), **how)
    assert found.value > 0.95
    noise = before + rng.normal(size=before.shape) * 1e-3
    found = consistency(before[~same], noise[~same], old[~same].tolist(), new[~same].tolist(), **how)
    assert abs(found.value) < 0.1


@pytest.mark.parametrize("component", ["retention", "linear", "neighbours", "sensitivity"])
def test_each_component_ranks_what_is_said_above_what_never_is(mini, component):
    scores = mini[component]
    never = max(scores[name].value for name in NEVER)
    assert min(scores[name].value for name in ALWAYS_SEEN) > never + 0.2
    assert min(scores[name].value for name in SOMETIMES) > never


def test_nothing_that_is_never_said_can_be_read_out(mini):
    assert all(mini["linear"][name].value < 0.1 for name in NEVER)


def test_the_relation_of_two_things_is_said_and_not_kept(mini):
    """The finding of docs/calibration.md: captions always state it, the embedding hardly holds it."""
    assert mini["retention"]["relation"].value < 0.2


def test_retention_agrees_with_the_truth_and_the_ranking_vanishes_without_training(mini, control):
    rho = rank_agreement(mini, MENTIONS)
    assert rho["retention"].value > 0.8
    assert rho["retention"].value < rho["ceiling"].value < 1
    without_relation = {name: value for name, value in MENTIONS.items() if name != "relation"}
    assert rank_agreement(mini, without_relation)["retention"].value > 0.9
    vanished = rank_agreement(control, MENTIONS, over="factors")["retention"]
    assert vanished.low < 0 < vanished.high
    assert abs(vanished.value) < 0.4


def test_agreement_beyond_a_control(mini, control):
    """Partial rho against regressing ranks on ranks; of a space beyond itself nothing is left."""
    from scipy.stats import rankdata

    names = mini.factors
    a, c = ([result["sensitivity"][n].value for n in names] for result in (mini, control))
    x, y, z = (rankdata(values) - 8 for values in (a, [MENTIONS[n] for n in names], c))
    left = [v - z * (v @ z) / (z @ z) for v in (x, y)]
    expected = left[0] @ left[1] / np.sqrt((left[0] @ left[0]) * (left[1] @ left[1]))
    beyond = rank_agreement(mini, MENTIONS, control=control, over="factors")
    assert beyond["sensitivity"].value == pytest.approx(expected)
    assert beyond["sensitivity"].low > 0
    assert rank_agreement(control, MENTIONS, control=control)["sensitivity"].value == 0


def test_untrained_weights_are_drawn_by_the_seed(caplog):
    a, b, c = (untrained_space("mini", seed=seed, device="cpu").stamp for seed in (1, 1, 2))
    assert a == b
    assert a.weights != c.weights
    assert not caplog.records  # weights drawn on purpose are not warned of


def test_rank_agreement_equals_scipy(mini):
    from scipy.stats import spearmanr

    names = mini.factors
    expected = spearmanr([mini["linear"][n].value for n in names], [MENTIONS[n] for n in names]).statistic
    assert rank_agreement(mini, MENTIONS)["linear"].value == pytest.approx(expected)
    with pytest.raises(InputError, match="four factors"):
        rank_agreement(mini, {"thing": 1.0})
    with pytest.raises(InputError, match="over"):
        rank_agreement(mini, MENTIONS, over="rows")


def test_the_table_reads_as_text_json_and_frame(mini):
    lines = str(mini).splitlines()
    assert lines[0].split()[:4] == ["factor", "retention", "linear", "neighbours"]
    assert len(lines) == 1 + len(MENTIONS)
    assert mini._repr_html_().count("<tr>") == len(lines)
    values = [mini["retention"][name].value for name in mini.factors]
    assert values == sorted(values, reverse=True)
    assert json.loads(mini.to_json())["linear"]["scores"][0]["name"] == mini.factors[0]
    assert mini.to_frame().loc["thing", "linear"] == mini["linear"]["thing"].value
    with pytest.raises(InputError, match="expected one of"):
        mini["recovery"]


def test_retention_repeats_with_its_seed(space):
    scenes = sample_scenes(60, seed=SEED + 1, layout="one")
    how = {"factors": ["color"], "pairs": 5}
    with pytest.warns(UserWarning, match="dimensions"):
        a, b, c = (retention(space, scenes, seed=seed, **how) for seed in (0, 0, 1))
    assert str(a) == str(b) != str(c)


# Recovery, with decodes made by hand: no number here depends on how good a decoder is.


def _decodes(scenes, rng, *, color=True):
    """Two pictures of each scene with the right ground, the right colour (or any), and any thing."""
    return [
        [
            render(
                Scene(
                    s.ground,
                    (Thing(str(rng.choice(list(THINGS))), s.things[0].color if color else rng.choice(list(COLORS))),),
                )
            )
            for _ in range(2)
        ]
        for s in scenes
    ]


def test_recovery_is_one_for_what_is_drawn_back_and_nothing_for_what_is_not(rng):
    scenes = [Scene(g, (Thing(k, c),)) for g in GROUNDS for k, c in zip(THINGS, list(COLORS) * 3, strict=False)][:60]
    decoded = _decodes(scenes, rng)
    color = Factor("color", [], lambda i: None, read=read_color)
    thing = Factor("thing", [], lambda i: None, read=read_thing)
    assert recovery(color, [s.things[0].color for s in scenes], decoded, seed=0).value > 0.85
    assert abs(recovery(thing, [s.things[0].kind for s in scenes], decoded, seed=0).value) < 0.15
    lost = _decodes(scenes, rng, color=False)
    assert abs(recovery(color, [s.things[0].color for s in scenes], lost, seed=0).value) < 0.15


def test_recovery_of_amounts_and_of_unreadable_pictures():
    amount = Factor("x", [], lambda i: None, read=lambda image: image)
    truth = np.linspace(0, 1, 40).tolist()
    assert recovery(amount, truth, [[t] for t in truth], seed=0).value == 1
    assert recovery(amount, truth, [[None] for _ in truth], seed=0).value == 0
    phase = Factor("phase", [], lambda i: None, read=lambda image: image, period=1.0)
    assert recovery(phase, truth, [[(t + 1) % 1] for t in truth], seed=0).value == pytest.approx(1)


def test_a_decoder_told_nothing_scores_what_its_prior_is_worth():
    """Of 40 truths 30 are "a"; a prior that always draws "a" is right more often than decodes of other points."""
    label = Factor("label", [], lambda i: None, read=lambda image: image)
    truth = ["a"] * 30 + ["b"] * 10
    decoded = [[t] for t in truth]
    common = unconditional(label, truth, decoded, ["a"] * 5, seed=0)
    alike = unconditional(label, truth, decoded, truth, seed=0)
    chance = 1 - 0.75**2 - 0.25**2
    assert recovery(label, truth, decoded, seed=0).value == 1
    assert common.value == pytest.approx(1 - 0.25 / chance, abs=0.1)
    assert alike.value == pytest.approx(0, abs=0.1)
    assert unconditional(label, truth, decoded, [None], seed=0).value == pytest.approx(1 - 1 / chance, abs=0.3)
    assert common.n == 40


def test_the_unconditional_draws_do_not_depend_on_z(space):
    points = space.encode_images([render(s) for s in sample_scenes(2, seed=SEED, layout="one")])
    a, b = (draw_unconditionally(space, p, seed=4, num_inference_steps=2) for p in (points, points[[1, 0]]))
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert not np.array_equal(a[0], a[1])


def test_the_cycle_tells_a_decoder_that_keeps_a_factor_from_one_that_does_not(rng):
    z, value = planted(rng, 500)
    z[:, 0] = 4 * value
    labels = np.where(value > 0, "up", "down").tolist()
    how = {"period": None, "seed": 0}
    kept = cycle_read_out(z[:400], labels[:400], z[400:, None], labels[400:], **how)
    lost = cycle_read_out(z[:400], labels[:400], rng.permutation(z[400:])[:, None], labels[400:], **how)
    assert kept.value > 0.85
    assert abs(lost.value) < 0.25
    assert cycle_agreement(z, z[:, None], typical=1.0, seed=0).value == pytest.approx(1)


@pytest.mark.filterwarnings("ignore:read-out")
def test_retention_decodes_and_reports_its_controls(space):
    scenes = sample_scenes(80, seed=SEED + 2, layout="one")
    result = retention(space, scenes, factors=["color", "ground"], pairs=4, decoded=3, decodes=2, num_inference_steps=2)
    assert {"recovery", "unconditional", "reader", "cycle"} <= set(result.measures)
    assert result["reader"]["color"].value > 0.6
    assert "cycle agreement" in str(result)


# Real images: the factors are augmentations.


def _pictures(n, rng):
    """Coloured noise of several sizes, smooth enough to look like something."""
    return [Image.fromarray(rng.integers(0, 255, (7, 9, 3), dtype=np.uint8)).resize((90 + i, 70)) for i in range(n)]


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmentations_change_pictures_and_keep_their_size(name, rng):
    image = _pictures(1, rng)[0].resize((64, 64))
    augmentation = AUGMENTATIONS[name]
    first = augmentation.draw(rng)
    second = augmentation.draw(rng, other_than=first)
    a, b = augmentation.apply(image, first), augmentation.apply(image, second)
    assert first != second
    assert a.size == b.size == image.size
    assert a.mode == b.mode == "RGB"
    assert np.asarray(a).tolist() != np.asarray(b).tolist()


def test_augmentations_do_what_they_say(rng):
    image = _pictures(1, rng)[0].resize((64, 64))
    pixels = np.asarray(image)
    apply = {name: a.apply for name, a in AUGMENTATIONS.items()}
    assert (np.asarray(apply["rotation"](image, 90)) == np.rot90(pixels)).all()
    assert (np.asarray(apply["flip"](image, True)) == pixels[:, ::-1]).all()
    assert np.ptp(np.asarray(apply["grey"](image, True)), axis=2).max() == 0
    shuffled = np.asarray(apply["patch shuffle"](image, True))
    assert (np.sort(shuffled.reshape(-1, 3), axis=0) == np.sort(pixels.reshape(-1, 3), axis=0)).all()
    left, right = (np.asarray(apply["position"](image, x)) for x in (0.0, 1.0))
    assert (left[:, -20:] == 127).all()
    assert (right[:, :20] == 127).all()


def test_photos_need_no_special_case_and_grey_is_seen(space, rng):
    from clipspace.images import read_images

    pictures = _pictures(300, rng)
    result = retention(
        space,
        read_images(pictures)[0],
        factors=["grey", "scale", "half"],
        columns={"half": ["a", "b"] * 150},
        pairs=10,
    )
    assert result["linear"]["grey"].value > 0.8
    assert abs(result["linear"]["half"].value) < 0.3
    assert "half" not in result.measures["sensitivity"]


def test_real_photos_through_an_untrained_vit():
    folder = os.environ.get("CLIPSPACE_TEST_DATA")
    if not folder:
        pytest.skip("CLIPSPACE_TEST_DATA is not set")
    photos = sorted(Path(folder, "photos").iterdir())[:24]
    with pytest.warns(UserWarning, match="dimensions"):
        result = retention(
            untrained_space("ViT-B-32", seed=0, device="cpu"), photos, factors=["grey", "rotation"], pairs=3
        )
    assert set(result.factors) == {"grey", "rotation"}
    assert result.space.dim == 512


# Bad input.


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["a"] * 40, "at least two different values"),
        (["a"] * 39 + ["b"], "each label twice"),
        (["a", "b"] * 10, "expected 40 values"),
        ([0.1, float("nan")] * 20, "finite values"),
        ([0.1, "a"] * 20, "mixture"),
    ],
)
def test_values_that_cannot_be_read_out(rng, values, message):
    with pytest.raises(InputError, match=message):
        read_out(rng.normal(size=(40, 4)), values)


def test_points_that_cannot_be_read_from(rng):
    z = rng.normal(size=(60, 8))
    labels = ["a", "b"] * 30
    with pytest.raises(InputError, match="at least 20 points"):
        read_out(z[:10], labels[:10])
    with pytest.warns(UserWarning, match="30 points to learn from in 64 dimensions"):
        read_out(rng.normal(size=(60, 64)), labels)
    with pytest.warns(UserWarning, match="30 of 60 points are duplicates"):
        read_out(Embeddings(np.repeat(z[:30], 2, axis=0)), labels)
    z[3] = np.nan
    with pytest.raises(InputError, match="row 3"):
        read_out(z, labels)


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
        for i in factor.rows[:5].tolist():
            image, value = factor.change(i, np.random.default_rng(i))
            assert value != factor.values[i]
            differs.append(np.asarray(image).tolist() != np.asarray(factor.image(i)).tolist())
        assert any(differs), factor.name  # a card may grow by less than a pixel


def test_lengths_do_not_matter(rng):
    """Only directions are read: a space that gives the same directions at other lengths scores the same."""
    z, value = planted(rng, 200)
    scaled = z * rng.uniform(0.1, 10, size=(200, 1))
    assert str(read_out(z, value.tolist())) == str(read_out(scaled, value.tolist()))
