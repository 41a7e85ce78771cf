import numpy as np
import pandas
import pytest

from clipspace.errors import InputError, SpaceMismatchError
from clipspace.points.embeddings import Embeddings, Stamp, check_same_space, concatenate

STAMP = Stamp("a", "1" * 16, "2" * 16, 3)


def test_slicing_keeps_columns_aligned(rng):
    points = Embeddings(rng.normal(size=(4, 3)), STAMP, names=list("abcd"), columns={"label": [0, 1, 2, 3]})
    for rows in (slice(1, 3), [1, 2], np.array([False, True, True, False])):
        part = points[rows]
        assert part.names == ("b", "c")
        assert list(part.columns["label"]) == [1, 2]
        assert np.array_equal(part.vectors, points.vectors[1:3])
    assert len(points[2]) == 1


def test_vectors_are_kept_raw_and_read_only(rng):
    raw = rng.normal(size=(2, 3)).astype(np.float32) * 9
    points = Embeddings(raw)
    assert np.shares_memory(points.vectors, raw)
    assert np.allclose(points.unit * points.norm[:, None], raw)
    with pytest.raises(ValueError, match="read-only"):
        points.vectors[0, 0] = 1


def test_a_memory_map_is_sliced_without_a_copy(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((1000, 4), np.float16))
    points = Embeddings(np.load(tmp_path / "x.npy", mmap_mode="r"))
    assert isinstance(points[10:20].vectors, np.memmap)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"vectors": np.ones(3)}, r"\(n, d\)"),
        ({"vectors": np.ones((2, 3), int)}, "float"),
        ({"vectors": np.ones((2, 3)), "names": ["a"]}, "names"),
        ({"vectors": np.ones((2, 3)), "columns": {"x": [1]}}, "'x'"),
    ],
)
def test_malformed_embeddings_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        Embeddings(**arguments)


def test_a_stamp_of_another_dimension_is_refused():
    with pytest.raises(SpaceMismatchError, match="3 dimensions"):
        Embeddings(np.ones((1, 4)), STAMP)


def test_spaces_never_mix_silently():
    other = Stamp("b", "3" * 16, "2" * 16, 3)
    with pytest.raises(SpaceMismatchError, match=r"a \[.*b \["):
        concatenate([Embeddings(np.ones((1, 3)), STAMP), Embeddings(np.ones((1, 3)), other)])
    with pytest.raises(SpaceMismatchError, match="no stamp"):
        check_same_space(STAMP, None, "test")


def test_concatenate_keeps_order_and_shared_columns():
    a = Embeddings(np.zeros((1, 3)), STAMP, names=["a"], columns={"x": [1], "y": [2]})
    b = Embeddings(np.ones((2, 3)), STAMP, names=["b", "c"], columns={"x": [3, 4]})
    both = concatenate([a, b])
    assert both.names == ("a", "b", "c")
    assert dict(both.columns) == {"x": [1, 3, 4]}


def test_texts_and_images_are_not_one_set():
    image, prior, text = (Embeddings(np.ones((1, 3)), STAMP, kind) for kind in ("image", "prior", "text"))
    assert concatenate([prior, image]).modality == "image"
    assert concatenate([text, text]).modality == "text"
    with pytest.raises(InputError, match="one modality"):
        concatenate([image, text])


def test_a_data_frame_with_two_columns_of_one_name_is_refused():
    frame = pandas.DataFrame([[1, 2], [3, 4]], columns=["label", "label"])
    with pytest.raises(InputError, match=r"different names, got .'label'. twice"):
        Embeddings(np.eye(2), columns=frame)


def test_one_truth_value_is_no_choice_of_rows():
    points = Embeddings(np.eye(3), columns={"label": ["a", "b", "a"]})
    with pytest.raises(InputError, match="one truth value for each"):
        points[points.columns["label"] == "a"]  # a list compared with a string
    assert len(points[np.array(points.columns["label"]) == "a"]) == 2


def test_rows_are_chosen_by_number_and_not_by_name():
    points = Embeddings(np.eye(3), names=["cat", "dog", "owl"], columns={"label": ["a", "b", "a"]})
    with pytest.raises(InputError, match=r"expected row numbers, got 'cat'; a column is points\.columns\['cat'\]"):
        points["cat"]
    for rows in (3, [-4], [0.5], [True, False], None):
        with pytest.raises(InputError, match="Embeddings: expected"):
            points[rows]
    assert [one.names for one in points] == [("cat",), ("dog",), ("owl",)]
    assert points[:] is points
