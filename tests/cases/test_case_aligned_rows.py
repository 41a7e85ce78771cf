"""Rows stay with their values, whatever names, indices and files they come by."""

import numpy as np
import pandas
import pyarrow
import pytest

from clipspace.columns import column
from clipspace.embeddings import Embeddings
from clipspace.errors import InputError
from clipspace.geometry.retrieval import ranks
from clipspace.index import build_index
from clipspace.probes.knn import knn_probe
from clipspace.probes.linear import linear_probe
from clipspace.store import write_store

LETTERS = list("dfcaeb")


@pytest.fixture
def frame():
    """Letters in a shuffled order that their index does not follow."""
    frame = pandas.DataFrame({"label": list("abcdef")}).sample(frac=1, random_state=3)
    assert list(frame.index) != sorted(frame.index)
    return frame


def test_columns_of_a_shuffled_frame_are_taken_by_position(frame):
    points = Embeddings(np.eye(6), columns={"label": frame["label"]}, names=frame["label"])
    expected = frame["label"].tolist()
    assert list(points[:3].columns["label"]) == expected[:3]
    assert points[[5, 0]].names == (expected[5], expected[0])
    assert [points.columns["label"][i] for i in range(6)] == expected


def test_columns_of_a_filtered_frame_are_taken_by_position(frame):
    kept = frame[frame["label"].isin(["b", "d"])]
    points = Embeddings(np.eye(2), columns={"label": kept["label"]})
    assert points[1].columns["label"] == [kept["label"].iloc[1]]


def test_a_string_is_no_column_of_letters():
    with pytest.raises(InputError, match=r"column 'label'.*sequence"):
        Embeddings(np.eye(6), columns={"label": "abcdef"})


def test_a_store_and_an_index_keep_the_order_of_a_frame(frame, tmp_path):
    expected = frame["label"].tolist()
    store = write_store(tmp_path / "s", Embeddings(np.eye(6), names=frame["label"], columns={"x": frame["label"]}))
    assert (store.names, store[:].columns["x"]) == (expected, expected)
    assert build_index(np.eye(6), names=frame["label"]).names_of([0, 5]) == [expected[0], expected[5]]


@pytest.mark.parametrize("probe", [knn_probe, linear_probe])
@pytest.mark.filterwarnings("ignore::clipspace.errors.SampleWarning")
def test_a_probe_takes_labels_of_a_frame_by_position(rng, probe):
    labels = np.repeat(["left", "right"], 20)
    points = rng.normal(size=(40, 4)) + 9 * (labels == "left")[:, None]
    series = pandas.Series(labels, index=rng.permutation(40))
    how = {"k": 3} if probe is knn_probe else {"search": [1.0]}
    for given in (series, pyarrow.array(labels.tolist()), series.astype("category")):
        found = probe(Embeddings(points), given, **how)
        assert found.rows[0].value == 1


@pytest.mark.parametrize("labels", [[1, "1"], [True, 1]], ids=repr)
def test_labels_that_only_read_alike_are_not_one_class(labels):
    with pytest.raises(InputError, match="labels of one kind"):
        knn_probe(Embeddings(np.eye(8)), labels * 4)
    with pytest.raises(InputError, match="labels of one kind"):
        ranks(np.eye(2), np.eye(2), query_ids=labels, point_ids=labels)


def test_one_number_is_one_class_however_it_is_written(rng):
    labels = [1, 1.0, np.int64(1), 2, 2.0, np.float32(2)] * 4
    points = Embeddings(rng.normal(size=(24, 4)))
    assert knn_probe(points, labels, k=3).settings["classes"] == ["1.0", "2.0"]


def test_columns_of_a_page_tell_one_from_the_text_one():
    assert column([1, "1", 1])["codes"].tolist() in ([0, 1, 0], [1, 0, 1])
