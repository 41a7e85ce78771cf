import numpy as np
import pandas
import pyarrow
import pytest
import torch

from clipspace.errors import InputError
from clipspace.sequences import check_labels, in_order


def shuffled(values):
    """The values as a pandas column whose index is not its order."""
    return pandas.Series(values, index=range(len(values), 0, -1))


@pytest.mark.parametrize(
    "values",
    [
        shuffled(list("def")),
        pandas.Series(list("def"), index=[7, 7, 7]),
        pandas.Index(list("def")),
        pandas.Categorical(list("def")),
        shuffled(list("def")).astype("category"),
        pyarrow.array(list("def")),
        pyarrow.chunked_array([["d"], ["e", "f"]]),
        np.array(list("def")),
        (letter for letter in "def"),
    ],
    ids=lambda values: type(values).__name__,
)
def test_values_keep_their_order_whatever_carries_them(values):
    found = in_order(values, "test")
    assert [found[i] for i in range(3)] == list("def")


def test_numbers_of_pandas_and_tensors():
    torch = pytest.importorskip("torch")
    numbers = in_order(shuffled(np.array([1, 2], np.float32)), "test")
    assert (numbers.dtype, numbers.tolist()) == (np.float32, [1, 2])
    assert in_order(torch.tensor([1.0, 2.0], requires_grad=True), "test") == [1.0, 2.0]
    assert in_order(torch.ones(2, dtype=torch.bfloat16), "test") == [1.0, 1.0]


def test_a_missing_value_of_pandas_is_none():
    assert in_order(pandas.Series(["a", np.nan]), "test") == ["a", None]
    assert in_order(pandas.Series([1, pandas.NA], dtype="Int64"), "test") == [1, None]
    assert in_order(pandas.to_datetime(pandas.Series([None])), "test") == [None]


@pytest.mark.parametrize("values", ["abc", b"abc", {"a": 1}, {"a"}, 3, None], ids=repr)
def test_what_has_no_order_of_rows_is_refused(values):
    with pytest.raises(InputError, match="test: expected a sequence of values"):
        in_order(values, "test")


@pytest.mark.parametrize(
    "values", [np.array(3), np.float64(3), torch.tensor(3), pandas.DataFrame({"a": [1, 2]})], ids=repr
)
def test_a_number_or_a_table_is_no_column(values):
    with pytest.raises(InputError, match=r"test: expected a sequence of values, one per row, got a .* of shape"):
        in_order(values, "test")


@pytest.mark.parametrize(
    "labels", [[1, "1"], [True, 1], [b"a", "a"], np.array([1, "1"], object), [0.5, "0.5"]], ids=repr
)
def test_labels_that_read_alike_are_refused(labels):
    with pytest.raises(InputError, match="labels of one kind"):
        check_labels(labels, "test")


@pytest.mark.parametrize(
    "labels", [[1, 1.0, np.int64(1)], ["a", np.str_("a")], [True, np.True_], [None, 1], []], ids=repr
)
def test_labels_of_one_kind_pass(labels):
    check_labels(labels, "test")
