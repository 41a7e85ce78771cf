"""Reciprocal rank against counting, and its chance against draws."""

import numpy as np
import pytest

from clipspace.measure.reciprocal_rank import chance_reciprocal_rank, reciprocal_ranks


def test_it_is_one_over_the_place_in_the_sorted_list(rng):
    queries, targets, others = (rng.normal(size=(n, 5)) for n in (20, 20, 50))
    for query, target, found in zip(queries, targets, reciprocal_ranks(queries, targets, others), strict=True):
        cosines = [x @ query / np.linalg.norm(x) for x in (target, *others)]
        assert found == 1 / (1 + sorted(cosines, reverse=True).index(cosines[0]))


def test_its_chance_is_that_of_unrelated_points(rng):
    queries, targets, others = (rng.normal(size=(n, 5)) for n in (4000, 4000, 99))
    assert reciprocal_ranks(queries, targets, others).mean() == pytest.approx(chance_reciprocal_rank(100), rel=0.15)


def test_points_find_themselves_and_ties_count_half(rng):
    x = rng.normal(size=(30, 8))
    assert (reciprocal_ranks(2 * x, x, rng.normal(size=(99, 8))) == 1).all()
    assert reciprocal_ranks(x[:1], x[:1], np.repeat(x[:1], 4, axis=0)).tolist() == [1 / 3]
