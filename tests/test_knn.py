"""The kNN probe against scikit-learn's, and its chance."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from clipspace import Embeddings
from clipspace.errors import InputError
from clipspace.probes.nearest_neighbours import knn


@pytest.fixture
def data(rng):
    centres = rng.normal(size=(5, 12))
    ids = rng.integers(5, size=900)
    x = (centres[ids] + rng.normal(size=(900, 12))).astype(np.float32)
    return Embeddings(x[:600]), ids[:600], Embeddings(x[600:]), ids[600:]


def test_votes_are_those_of_scikit_learn(data):
    train, labels, test, truth = data
    scores = knn(train, labels, held_out=(test, truth), k=9, temperature=0.2)
    weigh = {"weighted": lambda distance: np.exp((1 - distance) / 0.2), "uniform": "uniform"}
    for name, weights in weigh.items():
        oracle = KNeighborsClassifier(9, metric="cosine", weights=weights).fit(train.unit, labels)
        # uniform votes tie now and then, and scikit-learn then takes the first class
        assert scores[name, "accuracy"].value == pytest.approx(
            oracle.score(test.unit, truth), abs=1e-9 if name == "weighted" else 0.02
        )
        assert scores[name, "accuracy"].value > scores[name, "accuracy"].chance + 0.3


def test_one_neighbour_of_a_copy_is_always_right(data, rng):
    train, labels, *_ = data
    copies = Embeddings(train.vectors * 2)  # other vectors of the same direction
    assert knn(train, labels, held_out=(copies, labels), k=1)["uniform", "accuracy"].value == 1


def test_shuffled_labels_score_chance(data, rng):
    train, labels, *_ = data
    row = knn(train, rng.permutation(labels), held_out=0.5)["weighted", "accuracy"]
    assert row.low - 0.03 <= row.chance <= row.high + 0.03


def test_tied_uniform_votes_go_to_the_nearer_class():
    train = Embeddings(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.1], [0.1, 1.0]]))
    test = Embeddings(np.array([[0.2, 1.0], [1.0, 0.2]]))
    assert knn(train, ["x", "y", "x", "y"], held_out=(test, ["y", "x"]), k=4)["uniform", "accuracy"].value == 1


def test_bad_input_is_refused(data):
    train, labels, *_ = data
    with pytest.raises(InputError, match="k from 1 to 480"):
        knn(train, labels, k=481)
    with pytest.raises(InputError, match="temperature above 0"):
        knn(train, labels, temperature=0.0)
    with pytest.raises(InputError, match="non-zero norm"):
        knn(train.with_vectors(train.vectors * (np.arange(600) > 0)[:, None]), labels)
