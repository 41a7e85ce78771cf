"""Words on a map: planted meanings are found, and noise has none."""

import numpy as np
import pytest

from clipspace.errors import InputError, SpaceMismatchError
from clipspace.points.embeddings import Embeddings, Stamp
from clipspace.report.meaning import meaning

STAMP = Stamp("any", "0" * 64, "1" * 64, 16)
WORDS = [f"word {k}" for k in range(12)]


@pytest.fixture(scope="module")
def planted():
    """Four heaps in the corners of a map, each near a word of its own; and a gap between points and words, as CLIP has."""
    rng = np.random.default_rng(0)
    words, heap = rng.normal(size=(12, 16)), np.repeat(np.arange(4), 500)
    vectors = words[heap] + 0.7 * rng.normal(size=(2000, 16)) + 3 * np.eye(16)[0]
    corners = np.array([[0, 0], [10, 0], [0, 10], [10, 10]])
    places = (corners[heap] + rng.uniform(-1, 1, size=(2000, 2))).astype(np.float32)
    shuffled = rng.permutation(2000)
    texts = Embeddings(words.astype(np.float32), STAMP, "text", WORDS)
    return places[shuffled], Embeddings(vectors[shuffled].astype(np.float32), STAMP), texts, heap[shuffled]


def test_the_points_nearest_to_each_word_are_those_of_all_cosines(planted):
    places, vectors, words, _ = planted
    found = meaning(places, vectors, words)
    cosines = (words.unit @ vectors.unit.T).astype(float)
    assert found.words == WORDS
    assert np.allclose(found.cosines, -np.sort(-cosines, axis=1)[:, :200], atol=1e-5)
    assert np.allclose(np.take_along_axis(cosines, found.rows, 1), found.cosines, atol=1e-5)


def test_regions_have_the_words_that_were_planted_there(planted):
    places, vectors, words, heap = planted
    found = meaning(places, vectors, words)
    coarse = {word: (x, y) for level, x, y, word in found.regions if level == 0}
    assert set(coarse) == {0, 1, 2, 3}
    for word, place in coarse.items():
        assert np.linalg.norm(places[heap == word].mean(axis=0) - place) < 1


def test_points_laid_out_at_random_have_hardly_a_word(planted):
    _, vectors, words, _ = planted
    labelled = [
        len(meaning(np.random.default_rng(seed).uniform(size=(2000, 2)), vectors, words).regions) for seed in range(5)
    ]
    assert np.mean(labelled) <= 2


def test_other_sets_are_refused(planted):
    places, vectors, words, _ = planted
    with pytest.raises(InputError, match="2000 vectors"):
        meaning(places, vectors[:5], words)
    with pytest.raises(SpaceMismatchError):
        meaning(places, vectors, Embeddings(words.vectors, Stamp("other", "2" * 64, "3" * 64, 16), "text", WORDS))
