"""Cross-fitted read-outs: planted codes, what is not there, and differences of two spaces with their intervals."""

import numpy as np
import pytest

from clipspace.errors import InputError
from clipspace.measure.cross_fitting import CAPACITIES, cross_fit
from clipspace.measure.folds import repeated_folds
from clipspace.seeds import stream

D = 64


def _planted(n=600):
    """Points in 64 dimensions, turned at random, whose first coordinates the caller plants; and the turn."""
    rng = stream(0, "planted")
    return rng, rng.standard_normal((n, D)), np.linalg.qr(rng.standard_normal((D, D)))[0]


def _amount(values):
    return ((values - values.mean()) / values.std())[:, None]


@pytest.fixture(scope="module")
def spaces():
    """Skills of one amount in five spaces: kept at a tenth of an sd, at one, half of it, hashed, and not at all."""
    rng, noise, turn = _planted()
    amount = rng.standard_normal(len(noise))
    faint, kept, half = noise.copy(), noise.copy(), noise.copy()
    faint[:, 0], kept[:, 0] = 0.1 * amount, amount
    half[:, 0] = 2 * (amount + rng.standard_normal(len(noise)))
    hashed = noise + 1.5 * np.stack([stream(int(1e6 * (v + 10)), "hash").standard_normal(D) for v in amount])
    planted = {"A": faint, "A2": kept, "B": half, "C": hashed, "E": noise}
    quick = {"labels": False, "repeats": 1, "control": False}
    capacities = {name: CAPACITIES if name == "E" else ("linear", "neighbours") for name in planted}
    return {
        name: cross_fit(x @ turn, _amount(amount), capacities=capacities[name], **quick) for name, x in planted.items()
    }


def test_availability_does_not_depend_on_salience(spaces):
    best = {name: skills.best for name, skills in spaces.items()}
    assert best["A"].value == pytest.approx(best["A2"].value, abs=0.01)
    assert best["A"].value > 0.98
    assert best["A2"].low > best["B"].high
    assert 0.38 < best["B"].value < 0.5
    assert best["B"].low > max(best["C"].high, best["E"].high)
    for nothing in ("C", "E"):
        assert best[nothing].low < 0 < best[nothing].high
        assert all(estimate.value < 0.05 for estimate in spaces[nothing].skill.values())


def test_the_difference_of_two_spaces_has_an_interval(spaces):
    lost = spaces["A"].best - spaces["B"].best
    assert lost.low > 0.3
    same = spaces["A"].best - spaces["A2"].best
    assert same.low - 0.01 < 0 < same.high + 0.01
    assert (spaces["A"].best - spaces["A"].best).error == 0
    alone = np.hypot(spaces["A"].best.error, spaces["B"].best.error)
    assert lost.error == pytest.approx(alone, rel=0.2)
    share = spaces["B"].best.over(spaces["A"].best)
    assert share.value == pytest.approx(spaces["B"].best.value / spaces["A"].best.value)


def test_the_share_of_the_larger_of_two_knows_that_the_smaller_may_be_larger():
    """Simulated: two layers that keep a factor equally well; the share of either is 1, and intervals say so."""
    pairs = []
    for seed in range(40):
        rng = stream(seed, "two layers")
        factor = rng.standard_normal(200)
        layers = [rng.standard_normal((200, 4)) for _ in range(2)]
        for x in layers:
            x[:, 0] = (factor + x[:, 0]) / np.sqrt(2)
        options = {"labels": False, "capacities": ("linear",), "repeats": 1, "control": False, "seed": seed}
        pairs.append([cross_fit(x, factor[:, None], **options).best for x in layers])
    shares = [one.share_of(other) for one, other in pairs]
    assert np.mean([share.low <= 1 <= share.high + 1e-9 for share in shares]) > 0.85
    larger = [share for share, (one, other) in zip(shares, pairs, strict=True) if one.value > other.value]
    assert all(share.value == 1 for share in larger)
    assert np.mean([share.error > 0 for share in larger]) > 0.9


def test_the_share_of_what_is_far_above_the_other_is_certain(spaces):
    best = {name: found.best for name, found in spaces.items()}
    assert (best["A"].share_of(best["B"]).low, best["A"].share_of(best["B"]).value) == (1, 1)
    assert best["A"].share_of(best["E"]).error == 0  # whatever a skill of about 0 is, it is not above
    behind = best["B"].share_of(best["A"])
    assert (behind.value, behind.error) == (best["B"].over(best["A"]).value, best["B"].over(best["A"]).error)


def test_the_xor_of_two_bits_needs_a_perceptron():
    rng, points, turn = _planted(1000)
    bits = rng.integers(2, size=(len(points), 2))
    points[:, :2] = 2 * bits - 1
    found = cross_fit(points @ turn, np.eye(2)[bits[:, 0] ^ bits[:, 1]], labels=True, repeats=1)
    assert found.skill["mlp"].value > 0.9
    assert found.skill["linear"].value < 0.1
    assert found.chosen == "mlp"
    assert found.best.value > 0.9
    assert set(found.control) == set(CAPACITIES)
    assert found.selectivity.value == pytest.approx(found.best.value - found.control["mlp"].value)


def test_labels_that_are_not_there_are_not_found_and_separable_ones_are_with_an_interval():
    rng, points, _ = _planted()
    targets = np.eye(6)[rng.integers(6, size=600)]
    nothing = cross_fit(points, targets, labels=True, capacities=("linear", "neighbours"), control=False)
    assert all(estimate.value < 0.05 for estimate in nothing.skill.values())
    perfect = cross_fit(np.hstack([targets, points[:, :4]]), targets, labels=True, capacities=("linear",))
    assert perfect.best.value == 1
    assert 0.98 < perfect.best.low < 1


def test_folds_are_even_in_every_class_and_follow_the_seed():
    classes = np.array([0] * 50 + [1] * 7 + [2] * 2)
    folds = repeated_folds(59, folds=5, repeats=3, seed=1, classes=classes)
    for repeat in folds:
        counts = np.array([np.bincount(repeat[classes == c], minlength=5) for c in range(3)])
        assert (np.ptp(counts, axis=1) <= 1).all()
    assert (folds[0] != folds[1]).any()
    assert (folds == repeated_folds(59, folds=5, repeats=3, seed=1, classes=classes)).all()


@pytest.mark.parametrize(
    ("x", "targets", "options", "message"),
    [
        (np.ones((8, 2)), np.ones((7, 1)), {}, "points"),
        (np.ones((8, 2)), np.ones((8, 1)), {"folds": 2}, "vary"),
        (np.ones((8, 2)), np.eye(8), {"folds": 5}, "folds"),
        (np.full((8, 2), np.nan), np.eye(8), {"folds": 2}, "NaN"),
        (np.ones((8, 2)), np.eye(8), {"capacities": ("forest",)}, "forest"),
    ],
)
def test_what_cannot_be_cross_fitted_is_refused(x, targets, options, message):
    with pytest.raises(InputError, match=message):
        cross_fit(x, targets, labels=False, **options)
