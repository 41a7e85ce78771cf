"""Sparse codes against scikit-learn's Lasso, the optimality conditions, and planted codes."""

import numpy as np
import pytest
from sklearn.linear_model import Lasso

from clipspace.errors import InputError
from clipspace.measure import sparse
from clipspace.measure.sparse import sparse_codes
from clipspace.points.sphere import unit


def problem(rng, n=40, v=300, d=32, used=4, noise=0.3):
    words = unit(rng.normal(size=(v, d)))
    codes = np.zeros((n, v))
    for row in codes:
        row[rng.choice(v, used, replace=False)] = rng.uniform(0.4, 1, used)
    targets = unit(unit(codes @ words) + noise * unit(rng.normal(size=(n, d))))
    return targets, words, codes


def dense(found, shape):
    codes = np.zeros(shape)
    codes[found[0], found[1]] = found[2]
    return codes


def loss(targets, words, codes, strength):
    return ((targets - codes @ words) ** 2).sum(axis=1) + strength * codes.sum(axis=1)


@pytest.mark.parametrize("strength", [0.02, 0.25, 1.0])
@pytest.mark.parametrize("d", [8, 32])
def test_codes_are_those_of_scikit_learn(rng, strength, d):
    targets, words, _ = problem(rng, d=d)
    found = sparse_codes(targets, words, strength)
    codes = dense(found, (40, 300))
    oracle = Lasso(strength / (2 * d), positive=True, fit_intercept=False, max_iter=100_000, tol=1e-10)
    theirs = np.stack([oracle.fit(words.T, z).coef_.copy() for z in targets])
    assert (loss(targets, words, codes, strength) <= loss(targets, words, theirs, strength) + 1e-7).all()
    assert np.allclose(codes, theirs, atol=2e-3)
    assert found[3].max() <= 1e-6


@pytest.mark.parametrize("strength", [0.05, 0.3])
def test_the_optimality_conditions_hold_for_every_word(rng, strength):
    targets, words, _ = problem(rng, v=500)
    codes = dense(sparse_codes(targets, words, strength), (40, 500))
    slope = 2 * (targets - codes @ words) @ words.T
    assert slope.max() <= strength + 1e-5
    assert np.allclose(slope[codes > 0], strength, atol=1e-5)


def test_a_planted_code_is_recovered(rng):
    targets, words, codes = problem(rng, v=500, d=128, noise=0.0)
    found = dense(sparse_codes(targets, words, 0.02), codes.shape)
    for row, true in zip(found, codes, strict=True):
        assert set(np.argsort(-row)[:4]) == set(np.flatnonzero(true))
        assert np.corrcoef(row[true > 0], true[true > 0])[0, 1] > 0.95


def test_a_short_first_list_changes_nothing(rng, monkeypatch):
    targets, words, _ = problem(rng)
    whole = dense(sparse_codes(targets, words, 0.1), (40, 300))
    monkeypatch.setattr(sparse, "LIST", 1)
    monkeypatch.setattr(sparse, "PROPOSALS", 0)
    assert np.allclose(dense(sparse_codes(targets, words, 0.1, batch_size=7), (40, 300)), whole, atol=1e-5)


def test_half_precision_proposals_end_at_the_same_codes(rng, monkeypatch):
    targets, words, _ = problem(rng)
    codes = []
    for quick in (True, False):
        monkeypatch.setattr(sparse, "_is_half_quick", lambda device, quick=quick: quick)
        codes.append(dense(sparse_codes(targets, words, 0.1), (40, 300)))
    assert np.allclose(*codes, atol=1e-5)


def test_words_that_almost_coincide_still_end(rng):
    targets, words, _ = problem(rng)
    near = unit(np.vstack([words, words + 1e-6 * rng.normal(size=words.shape)]))
    codes = dense(sparse_codes(targets, near, 0.1), (40, 600))
    alone = dense(sparse_codes(targets, words, 0.1), (40, 300))
    assert np.allclose(loss(targets, near, codes, 0.1), loss(targets, words, alone, 0.1), atol=1e-5)


def test_so_much_strength_that_no_word_is_used(rng):
    targets, words, _ = problem(rng)
    assert len(sparse_codes(targets, words, 2.1)[0]) == 0


@pytest.mark.parametrize("strength", [0.0, -1.0, np.nan])
def test_strength_must_be_positive(rng, strength):
    with pytest.raises(InputError, match="above 0"):
        sparse_codes(np.eye(3), np.eye(3), strength)
