"""The AUC is scikit-learn's, and its interval covers."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from clipspace.measure.auc import auc_interval, aucs


def test_it_is_that_of_scikit_learn_with_ties(rng):
    members = rng.random((50, 4)) < 0.3
    scores = np.column_stack([rng.normal(size=50), rng.integers(3, size=50), members[:, 0] + 0.5 * rng.normal(size=50)])
    expected = [[roc_auc_score(members[:, i], scores[:, j]) for j in range(3)] for i in range(4)]
    np.testing.assert_allclose(aucs(members, scores), expected)
    assert np.isnan(aucs(np.zeros((5, 1)), np.arange(5.0)[:, None])).all()


@pytest.mark.parametrize(("members", "others"), [(10, 60), (40, 200)])
@pytest.mark.parametrize(
    ("kind", "truth"), [("normal", 0.5), ("normal", 0.9), ("labels", 0.5), ("labels", 0.85), ("labels", 0.98)]
)
def test_the_interval_covers_and_is_not_wide_for_nothing(members, others, kind, truth):
    from scipy.special import ndtri

    rng, hits, widths = np.random.default_rng(1), 0, []
    is_member = np.arange(members + others) < members
    for _ in range(200):
        if kind == "normal":
            score = rng.normal(size=members + others) + is_member * np.sqrt(2) * ndtri(truth)
        else:
            score = (rng.random(members + others) < np.where(is_member, truth, 1 - truth)).astype(float)
        low, high = auc_interval(float(aucs(is_member[:, None], score[:, None])[0, 0]), members, others)
        hits += low <= truth <= high
        widths.append(high - low)
    assert hits / 200 >= 0.92
    assert np.mean(widths) < 1.5 / np.sqrt(min(members, others))
    assert 0.8 < auc_interval(1.0, members, others)[0] < 1 == auc_interval(1.0, members, others)[1]
