"""The linear probe: a planted direction, chance on shuffled labels, CIFAR-10 as scikit-learn has it."""

import statistics

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from clipspace import Embeddings
from clipspace.errors import InputError, SampleWarning
from clipspace.probes.logistic_regression import STRENGTHS, binary_search, few_shot, linear


@pytest.fixture
def planted(rng):
    """The largest of three coordinates of 16; a tenth of the labels is drawn anew."""
    x = rng.normal(size=(1500, 16)).astype(np.float32)
    labels = x[:, :3].argmax(axis=1)
    labels[:150] = rng.permutation(labels[:150])
    return Embeddings(x, columns={"label": labels.tolist()})


@pytest.mark.parametrize("search", ["sweep", "binary", [0.1, 1.0]])
def test_a_planted_direction_is_found(planted, search):
    scores = linear(planted, "label", search=search)
    assert scores["accuracy"].value > 0.85
    assert scores["accuracy"].low > scores["accuracy"].chance + 0.2
    assert scores.arrays["confusion"].sum() == scores["accuracy"].n == 300
    assert scores.provenance.options["strength"] in scores.arrays["strengths"]
    assert (
        scores.arrays["validation"].max()
        == scores.arrays["validation"][scores.arrays["strengths"] == scores.provenance.options["strength"]]
    )


def test_shuffled_labels_score_chance(planted, rng):
    scores = linear(planted, rng.permutation(planted.columns["label"]))
    row = scores["accuracy"]
    assert row.low - 0.02 <= row.chance <= row.high + 0.02


def test_test_labels_have_no_part_in_the_choice_of_strength(planted, rng):
    train, test = planted[:1200], planted[1200:]
    one = linear(train, "label", held_out=(test, "label"))
    two = linear(train, "label", held_out=(test, rng.permutation(test.columns["label"])))
    assert one.provenance.options == two.provenance.options
    assert one["accuracy"].value > two["accuracy"].value + 0.2


def test_seeds_repeat(planted):
    assert linear(planted, "label", seed=4).to_json() == linear(planted, "label", seed=4).to_json()
    assert linear(planted, "label", seed=5).to_json() != linear(planted, "label", seed=4).to_json()


@pytest.mark.parametrize("peak", [-6.0, -3.125, 0.0, 2.5, 6.0])
def test_binary_search_finds_the_peak_of_a_curve_of_one_peak(peak):
    tried = binary_search(lambda strengths: -np.abs(np.log10(strengths) - peak))
    assert np.log10(max(tried, key=tried.get)) == pytest.approx(peak)
    assert len(tried) <= 15


def test_more_shots_are_better_and_draws_are_kept(planted):
    how = {"shots": (1, 16, 64), "draws": 4, "search": [0.1, 1.0]}
    scores = few_shot(planted, "label", **how)
    values = [row.value for row in scores]
    assert values == sorted(values)
    assert values[-1] > 0.75
    assert scores.arrays["accuracy"].shape == (3, 4)
    assert scores.arrays["spread"].min() > 0
    assert np.array_equal(scores.arrays["accuracy"], few_shot(planted, "label", **how).arrays["accuracy"])


def test_the_interval_of_few_shots_is_that_of_the_mean_over_draws(planted):
    how = {"shots": (1, 4), "draws": 5, "search": [1.0], "held_out": (planted[1200:], "label")}
    one, other = (few_shot(planted[:1200], "label", seed=seed, **how) for seed in (0, 1))
    assert not np.array_equal(one.arrays["accuracy"], other.arrays["accuracy"])
    for row, accuracy, spread in zip(one, one.arrays["accuracy"], one.arrays["spread"], strict=True):
        assert spread == pytest.approx(statistics.stdev(accuracy.tolist()))
        assert row.value == pytest.approx(statistics.mean(accuracy.tolist()))
        assert row.high - row.value == pytest.approx(1.96 * spread / 5**0.5)
        assert row.value - row.low == pytest.approx(1.96 * spread / 5**0.5)


def test_draws_that_are_all_right_do_not_claim_more_than_the_test_rows_say(rng):
    points = Embeddings(np.repeat(np.eye(4), 30, axis=0) + 0.01 * rng.normal(size=(120, 4)))
    (row,) = few_shot(points, np.repeat(np.arange(4), 30), shots=(4,), draws=3, search=[1.0], held_out=0.25)
    assert row.value == row.high == 1
    assert row.low == pytest.approx(0.025 ** (1 / 32))  # 8 of each class are held out


def test_bad_input_is_refused(planted):
    with pytest.raises(InputError, match="'sweep', 'binary'"):
        linear(planted, "label", search="grid")
    with pytest.raises(InputError, match="shots from 1 to"):
        few_shot(planted, "label", shots=(1, 5000))
    with pytest.raises(InputError, match="two draws"):
        few_shot(planted, "label", draws=1)
    with pytest.raises(InputError, match="at least two classes"):
        linear(planted, ["x"] * 1500)
    few = Embeddings(np.random.default_rng(0).normal(size=(20, 30)))
    with pytest.warns(SampleWarning, match="30 dimensions"):
        linear(few, [0, 1] * 10, search="binary")


def test_there_are_96_strengths():
    assert len(STRENGTHS) == 96
    assert STRENGTHS[[0, -1]].tolist() == [1e-6, 1e6]


def test_cifar_10_on_mini_features_agrees_with_scikit_learn(space, cifar):
    images, labels = cifar
    points = space.encode_images(images)
    train, test = points[:1200], points[1200:]
    for strength in (0.1, 10.0):
        ours = linear(train, labels[:1200], held_out=(test, labels[1200:]), search=[strength])
        oracle = LogisticRegression(C=1 / strength, solver="newton-cholesky", tol=1e-8)
        oracle.fit(train.vectors.astype(np.float64), labels[:1200])
        assert ours["accuracy"].value == pytest.approx(oracle.score(test.vectors, labels[1200:]), abs=0.002)
        assert ours["accuracy"].low > 0.1
