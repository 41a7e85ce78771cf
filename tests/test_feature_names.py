"""Features get the names that were planted, held out; labels that say nothing get chance."""

import numpy as np
import pytest

from clipspace import Embeddings
from clipspace.errors import InputError
from clipspace.measure.dictionary import Dictionary
from clipspace.probes.feature_names import name_features
from clipspace.probes.sparse_autoencoder import SparseAutoencoder

N = 240


@pytest.fixture
def planted(rng):
    """One coordinate, and one feature, for each of four colours, one for a number, and one that never fires."""
    color, x = rng.integers(4, size=N), rng.normal(size=N)
    vectors = np.column_stack([*(color == i for i in range(4)), x > 0.8, np.zeros(N)]) + 0.1 * rng.random((N, 6))
    features = Dictionary(np.eye(6), np.eye(6), np.full(6, -0.5))
    autoencoder = SparseAutoencoder(features, None, np.zeros(6), 1.0, 1.0, None, normalize=False)
    columns = {"color": [("red", "blue", "green", "pink")[i] for i in color], "x": x.tolist()}
    return autoencoder, Embeddings(vectors), columns


def test_planted_names_are_found_on_other_rows(planted, rng):
    autoencoder, points, columns = planted
    found = name_features(autoencoder, points, columns={"noise": rng.integers(5, size=N).tolist(), **columns})
    names = {row.feature: row.name for row in found}
    assert names == {0: "color: red", 1: "color: blue", 2: "color: green", 3: "color: pink", 4: "x: high"}
    assert all(row.value == 1 and row.chance == 0.5 and 0.9 < row.low < 1 == row.high for row in found)
    assert found.provenance.options["left_out"] == 1  # it never fires
    assert {row.feature: row["active"] for row in found}[0] == pytest.approx(
        np.mean(np.array(columns["color"]) == "red")
    )


def test_labels_that_say_nothing_score_chance_where_they_were_not_chosen(planted, rng):
    autoencoder, points, _ = planted
    labels = {f"noise {i}": rng.integers(6, size=N).tolist() for i in range(10)}
    found = name_features(autoencoder, points, columns=labels)
    assert np.mean(found.column("chosen at")) > 0.55
    assert np.mean(found.column("value")) == pytest.approx(0.5, abs=0.04)
    assert sum(row.low <= 0.5 <= row.high for row in found) >= 4


def test_words_are_told_by_their_cosines(planted):
    autoencoder, points, columns = planted
    words = Embeddings(np.eye(6)[:4] + 0.05, None, "text", ["rouge", "bleu", "vert", "rose"])
    found = name_features(autoencoder, points, words=words)
    assert {row.feature: row.name for row in found if row.feature < 4} == dict(enumerate(words.names))
    both = name_features(autoencoder, points, columns=columns, words=words)
    assert both.provenance.options["candidates"] == 10


def test_wrong_inputs_are_refused(planted):
    autoencoder, points, _ = planted
    with pytest.raises(InputError, match="columns with a value, or words"):
        name_features(autoencoder, points)
    with pytest.raises(InputError, match="240 values of 'color'"):
        name_features(autoencoder, points, columns={"color": ["red"]})
