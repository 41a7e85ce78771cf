"""The batched solver against scikit-learn, one strength at a time."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from clipspace.errors import ConvergenceWarning, InputError
from clipspace.measure.logistic import fit_logistic


def classes(rng, n=600, d=12, k=4):
    """Overlapping classes in features of uneven spread and a mean far from zero, as CLIP's are."""
    ids = rng.integers(k, size=n)
    scales = np.arange(1, d + 1) ** -1.0
    return (rng.normal(size=(n, d)) + rng.normal(size=(k, d))[ids]) * scales + 3, ids


@pytest.mark.parametrize("k", [2, 4])
def test_solutions_are_those_of_scikit_learn_at_each_strength(rng, k):
    x, ids = classes(rng, k=k)
    strengths = [0.01, 1.0, 30.0, 1e4]
    fits = fit_logistic(x, ids, strengths, tol=1e-13)
    assert fits.converged.all()
    for i, strength in enumerate(strengths):
        oracle = LogisticRegression(C=1 / strength, tol=1e-9, max_iter=20000).fit(x, ids)
        probabilities = np.exp(x @ fits.weights[i] + fits.intercepts[i])
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        if k == 2:  # scikit-learn penalises one vector for two classes, which is half the strength on each of two
            oracle = LogisticRegression(C=2 / strength, tol=1e-9, max_iter=20000).fit(x, ids)
        assert np.allclose(probabilities, oracle.predict_proba(x), atol=2e-4)
        assert (fits.predict(x)[i] == oracle.predict(x)).mean() > 0.995


def test_single_precision_ends_at_the_loss_of_double(rng):
    x, ids = classes(rng, n=6000)
    strengths = [1e-3, 1.0, 1e3]

    def loss(fits):
        logits = np.einsum("nd,bdk->bnk", x, fits.weights) + fits.intercepts[:, None]
        picked = np.take_along_axis(logits, ids[None, :, None], axis=2)[..., 0]
        data = (np.log(np.exp(logits - picked[..., None]).sum(axis=2))).sum(axis=1)
        return data + np.array(strengths) / 2 * (fits.weights**2).sum(axis=(1, 2))

    single = fit_logistic(x.astype(np.float32), ids, strengths)
    assert single.weights.dtype == np.float32
    assert np.allclose(loss(single), loss(fit_logistic(x, ids, strengths, tol=1e-12)), rtol=0, atol=1e-6 * len(x))


def test_groups_of_strengths_give_what_all_together_give(rng, monkeypatch):
    x, ids = classes(rng)
    together = fit_logistic(x, ids, [0.1, 1.0, 10.0])
    monkeypatch.setattr("clipspace.measure.logistic._LARGEST", 1)
    assert np.allclose(fit_logistic(x, ids, [0.1, 1.0, 10.0]).weights, together.weights, atol=1e-3)


def test_separable_classes_end_although_their_weights_would_grow_without_bound(rng):
    x, ids = classes(rng, n=10, d=50)
    fits = fit_logistic(x, ids, [1e-6, 1.0])
    assert fits.converged.all()
    assert (fits.predict(x)[0] == ids).all()


def test_too_few_passes_warn_and_name_the_strength(rng):
    x, ids = classes(rng)
    with pytest.warns(ConvergenceWarning, match=r"0\.001"):
        assert not fit_logistic(x, ids, [0.001], max_passes=3).converged[0]


@pytest.mark.parametrize("strengths", [[], [0.0], [-1.0], [np.nan]])
def test_strengths_must_be_positive(rng, strengths):
    x, ids = classes(rng)
    with pytest.raises(InputError, match="above 0"):
        fit_logistic(x, ids, strengths)
