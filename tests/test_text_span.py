"""The greedy basis against a literal run of the paper's algorithm, and planted axes."""

import numpy as np
import pytest

from clipspace import Embeddings
from clipspace.errors import InputError
from clipspace.points.sphere import unit
from clipspace.probes.text_basis import text_span


@pytest.fixture
def sets(rng):
    """Images that vary along texts 3, 7 and 11, in falling measure, of 40 texts."""
    texts = unit(rng.normal(size=(40, 24)))
    images = 6 * unit(rng.normal(size=24)) + rng.normal(size=(500, 3)) * [2.0, 1.4, 1.0] @ texts[[3, 7, 11]]
    return Embeddings(images + 0.1 * rng.normal(size=(500, 24))), Embeddings(texts, names=[f"t{i}" for i in range(40)])


def greedy(data, texts, k, rank):
    """Algorithm 1 of the paper on the data themselves, step by step."""
    span = np.linalg.svd(data, full_matrices=False)[2][:rank]
    texts, data, chosen = texts @ span.T @ span, data - data.mean(axis=0), []
    for _ in range(k):
        best = int((data @ texts.T).std(axis=0).argmax())
        chosen.append(best)
        axis = texts[best] / np.linalg.norm(texts[best])
        data, texts = data - np.outer(data @ axis, axis), texts - np.outer(texts @ axis, axis)
    return chosen


@pytest.mark.parametrize("rank", [10, 80])
def test_the_texts_chosen_are_those_of_the_algorithm(sets, rank):
    images, texts = sets
    expected = greedy(images.unit, texts.unit, 8, rank)
    assert text_span(images, texts, 8, rank=rank).texts == tuple(f"t{i}" for i in expected)


def test_planted_axes_come_first(sets):
    span = text_span(*sets, 3)
    assert set(span.texts) == {"t3", "t7", "t11"}
    assert span.explained.sum() > 0.9
    assert np.allclose(span.directions @ span.directions.T, np.eye(3), atol=1e-8)
    assert span.scores[span.texts[0]].value > span.scores[span.texts[0]].chance


def test_explained_shares_are_those_of_the_images(sets):
    images, texts = sets
    span = text_span(images, texts, 5)
    centred = images.unit - images.unit.mean(axis=0)
    assert np.allclose(span.explained, (centred @ span.directions.T).var(axis=0) / centred.var(axis=0).sum())


def test_what_is_taken_out_no_longer_varies(sets):
    images, texts = sets
    span = text_span(images, texts, 3)
    left = span.without(span.texts)
    assert (left.unit @ span.directions.T).std() < 0.4 * (images.unit @ span.directions.T).std()
    assert np.allclose(left.norm, images.norm, rtol=1e-5)
    kept = span.without([span.texts[0]])
    np.testing.assert_array_equal(span.without([span.texts[0]] * 2).vectors, kept.vectors)
    assert (kept.unit @ span.directions[1]).std() == pytest.approx((images.unit @ span.directions[1]).std(), rel=0.3)


def test_bad_input_is_refused(sets):
    images, texts = sets
    with pytest.raises(InputError, match="from 1 to 24"):
        text_span(images, texts, 25)
    with pytest.raises(InputError, match="empty ones"):
        text_span(images, Embeddings(texts.vectors[:2], names=["a", ""]), 1)
    with pytest.raises(InputError, match="t99"):
        text_span(images, texts, 3).without(["t99"])
    flat = Embeddings(images.vectors[:, :3] * np.array([1, 1, 0.0]))
    with pytest.raises(InputError, match="all that these texts span"):
        text_span(flat, Embeddings(np.eye(3), names=["x", "y", "z"]), 3)
