import json
import pickle

import numpy as np
import pandas
import pyarrow.parquet
import pytest
from pyarrow.compute import field

from clipspace.errors import CapabilityError, InputError, SpaceMismatchError
from clipspace.points.embeddings import Embeddings, Stamp
from clipspace.points.store import append, export, merge, open_store, select, write_store
from clipspace.points.store.shards import ShardWriter

STAMP = Stamp("a", "w" * 16, "p" * 16, 8)


@pytest.fixture
def points(rng) -> Embeddings:
    vectors = (10 * rng.normal(size=(50, 8))).astype(np.float32)
    columns = {"label": [i % 5 for i in range(50)], "caption": [f"words {i}" for i in range(50)]}
    return Embeddings(vectors, STAMP, "image", [f"{i}.jpg" for i in range(50)], columns)


@pytest.fixture
def store(tmp_path, points):
    return write_store(tmp_path / "store", [points[:20], points[20:27], points[27:]])


def write_as_clip_retrieval(path, vectors, names, *, partitions=2) -> None:
    """What clip_inference/writer.py of clip-retrieval leaves: item i in partition i mod P, unit float16."""
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    for folder in ("img_emb", "metadata"):
        (path / folder).mkdir(parents=True)
    for i in range(partitions):
        np.save(path / f"img_emb/img_emb_{i}.npy", unit[i::partitions])
        frame = pandas.DataFrame({"image_path": names[i::partitions], "caption": names[i::partitions]})
        frame.to_parquet(path / f"metadata/metadata_{i}.parquet")


def test_what_is_written_is_read(store, points):
    assert len(store) == 50
    assert (store.stamp, store.modality, store.normalized, store.dtype) == (STAMP, "image", False, np.float32)
    assert store.names == list(points.names)
    again = store[:]
    assert np.array_equal(again.vectors, points.vectors)
    assert again.stamp == STAMP
    assert again.columns["label"] == points.columns["label"]
    assert np.allclose(again.columns["norm"], points.norm, rtol=1e-6)
    assert store.limits == ()


@pytest.mark.parametrize(
    "rows",
    [3, -1, slice(2, 9), slice(18, 30), slice(None, None, -7), [49, 0, 20, 20, 3], np.array([], int)],
    ids=repr,
)
def test_slices_are_those_of_numpy(store, points, rows):
    part, expected = store[rows], points[rows]
    assert np.array_equal(part.vectors, expected.vectors)
    assert tuple(part.names) == expected.names
    assert list(part.columns.get("label", [])) == expected.columns["label"]


def test_masks_and_bad_rows(store, points):
    mask = np.arange(50) % 3 == 0
    assert np.array_equal(store[mask].vectors, points.vectors[mask])
    for rows in (50, [-51], [0.5], mask[:4]):
        with pytest.raises(InputError, match="expected"):
            store[rows]


def test_blocks_are_memory_maps_in_row_order(store, points):
    blocks = list(store.blocks(rows=6))
    assert [len(block) for block in blocks] == [6, 6, 6, 2, 6, 1, 6, 6, 6, 5]
    assert all(isinstance(block, np.memmap) for block in blocks)
    assert np.array_equal(np.concatenate(blocks), points.vectors)
    assert isinstance(store[21:25].vectors.base, np.memmap) or isinstance(store[21:25].vectors, np.memmap)
    with pytest.raises(InputError, match="at least 1"):
        next(store.blocks(0))


@pytest.mark.parametrize(("most", "lengths"), [(6, [6, 6, 6, 2, 6, 1, 6, 6, 6, 5]), (30, [27, 23]), (50, [50])])
def test_parts_are_runs_of_whole_shards_where_there_is_room(store, points, most, lengths):
    runs = list(store.parts(most))
    assert [len(run) for run in runs] == lengths
    assert np.array_equal(np.concatenate([block for run in runs for block in run.blocks(4)]), points.vectors)
    assert len(pickle.dumps(runs[0])) < 3000  # paths, no vectors: workers read their own files


def test_numpy_and_pandas_read_it_alone(store, points):
    # the layout that clip-retrieval, autofaiss and embedding-reader read
    arrays = sorted((store.path / "img_emb").iterdir())
    assert [array.name for array in arrays] == [f"img_emb_000{i}.npy" for i in range(3)]
    assert np.array_equal(np.concatenate([np.load(array) for array in arrays]), points.vectors)
    frame = pandas.concat([pandas.read_parquet(f) for f in sorted((store.path / "metadata").iterdir())])
    assert list(frame["image_path"]) == list(points.names)
    assert frame["norm"].dtype == np.float32


def test_is_it_normalised_has_an_answer(tmp_path, points):
    # asks: is it normalised? In ours the arrays may be directions, and the raw vectors still come back
    ours = write_store(tmp_path / "unit", points, normalized=True)
    assert ours.normalized
    assert ours.raw
    assert np.allclose(np.linalg.norm(ours[:].vectors, axis=1), 1, atol=1e-6)
    assert np.allclose(ours.load(normalize=False).vectors, points.vectors, rtol=1e-5)
    assert np.allclose(ours.load([3, 1], normalize=True).vectors, points.unit[[3, 1]], atol=1e-6)
    raw = write_store(tmp_path / "raw", points)
    assert np.array_equal(raw.load(normalize=False).vectors, points.vectors)
    assert np.allclose(raw.load(normalize=True).vectors, points.unit, atol=1e-6)


def test_nothing_is_loaded_before_it_is_said_whether_normalised(store):
    with pytest.raises(TypeError, match="normalize"):
        store.load()
    with pytest.raises(TypeError, match="positional"):
        store.load(slice(None), True)


def test_float16_is_stated(tmp_path, points):
    store = write_store(tmp_path / "half", points, dtype="float16")
    assert store.dtype == np.float16
    assert "float16" in store.limits[0]
    assert np.allclose(store[:].vectors, points.vectors, rtol=1e-3)
    huge = points.with_vectors(points.vectors * 1e5)
    with pytest.raises(InputError, match="float16"):
        write_store(tmp_path / "huge", huge, dtype="float16")
    assert not list((tmp_path / "huge").rglob("*.npy*"))
    with pytest.raises(InputError, match="dtype"):
        write_store(tmp_path / "x", points, dtype="int8")


def test_a_store_of_clip_retrieval_opens_and_says_what_it_lacks(tmp_path, points):
    write_as_clip_retrieval(tmp_path / "theirs", points.vectors, list(points.names))
    store = open_store(tmp_path / "theirs")
    assert (store.native, store.normalized, store.raw, store.stamp, store.dtype) == (
        False,
        True,
        False,
        None,
        np.float16,
    )
    order = [*range(0, 50, 2), *range(1, 50, 2)]
    assert store.names == [points.names[i] for i in order]
    assert np.allclose(store[:].vectors, points.unit[order], atol=1e-3)
    assert len(store.limits) == 3
    assert len(store.hash) == 16
    with pytest.raises(CapabilityError, match="directions without their norms"):
        store.load(normalize=False)
    with pytest.raises(CapabilityError, match="no checksums"):
        store.verify()
    with pytest.raises(SpaceMismatchError, match="stamp=space"):
        select(store, near=points[0])
    vouched = open_store(tmp_path / "theirs", stamp=STAMP)
    assert select(vouched, near=points[7], k=1).embeddings.names == (points.names[7],)
    with pytest.raises(InputError, match="clipspace wrote"):
        merge([tmp_path / "theirs"], tmp_path / "merged")
    ours = export(select(vouched, where=field("image_path") == "7.jpg"), tmp_path / "ours")
    assert (ours.stamp, ours.normalized, ours.raw, ours.names) == (STAMP, True, False, ["7.jpg"])


def test_a_store_without_metadata_has_row_numbers(tmp_path, points):
    (tmp_path / "bare/img_emb").mkdir(parents=True)
    for i in (0, 1, 10):
        np.save(tmp_path / f"bare/img_emb/img_emb_{i}.npy", points.vectors[i : i + 2])
    store = open_store(tmp_path / "bare")
    assert store.names == list("012345")
    assert np.array_equal(store[:].vectors, points.vectors[[0, 1, 1, 2, 10, 11]])
    assert store[4].names == ("4",)
    assert not store.normalized


def test_query_then_where_then_export_keeps_the_stamp(store, points, tmp_path):
    cosines = points.unit @ points.unit[4]
    near = select(store, near=points[4], where=field("score") > 0.2)
    assert set(near.rows) == set(np.flatnonzero(cosines > 0.2))
    both = select(store, near=points[4], where=(field("score") > 0.2) & (field("label") != 4), k=3)
    expected = [i for i in np.argsort(-cosines) if cosines[i] > 0.2 and i % 5 != 4][:3]
    assert list(both.rows) == expected
    subset = export(both, tmp_path / "subset")
    assert subset.stamp == STAMP
    assert np.array_equal(subset[:].vectors, points.vectors[expected])
    assert np.allclose(subset.metadata(["score"])["score"].to_numpy(), cosines[expected], atol=1e-6)
    moved = subset[0].with_vectors(subset[0].vectors - subset[1].vectors + subset[2].vectors)
    assert moved.stamp == STAMP
    assert len(select(subset, near=moved, k=2)) == 2


def test_metadata_filters_without_a_query(store):
    assert list(select(store, where=(field("label") == 2) & (field("caption") != "words 7")).rows)[:3] == [2, 12, 17]
    with pytest.raises(InputError, match="expression"):
        select(store, where=field("nonsense") == 1)
    with pytest.raises(InputError, match="scores"):
        select(store, where=field("label") == 2, k=1)
    with pytest.raises(InputError, match="empty selection"):
        export(select(store, where=field("label") == 99), "x")
    with pytest.raises(InputError, match="columns among"):
        store.metadata(["nonsense"])


def test_append_and_merge(store, points, tmp_path):
    before = store.hash
    more = append(store.path, points[:5])
    assert len(more) == 55
    assert more.hash != before
    other = write_store(
        tmp_path / "other", Embeddings(points.vectors[:3], STAMP, "image", columns={"extra": [1.5, 2.5, 3.5]})
    )
    merged = merge([more.path, other.path], tmp_path / "merged")
    assert len(merged) == 58
    assert np.array_equal(merged[50:].vectors, points.vectors[[0, 1, 2, 3, 4, 0, 1, 2]])
    assert merged[56].columns["extra"] == [2.5]
    assert merged.metadata(["extra"])["extra"].to_pylist() == [None] * 55 + [1.5, 2.5, 3.5]
    merged.verify()
    assert merge([more.path, other.path], tmp_path / "again").hash == merged.hash


def test_columns_of_two_types_become_text(tmp_path, points):
    parts = [Embeddings(points.vectors[:2], columns={"x": values}) for values in ([1, 2], ["a", None], [None, None])]
    store = write_store(tmp_path / "mixed", parts)
    assert store.metadata(["x"])["x"].to_pylist() == ["1", "2", "a", None, None, None]
    mixed = write_store(tmp_path / "in one", Embeddings(points.vectors[:3], columns={"x": [1, "a", {"b": 2}]}))
    assert mixed[:].columns["x"] == ["1", "a", '{"b": 2}']


def test_stores_of_other_spaces_are_refused(store, points, tmp_path):
    stranger = Embeddings(points.vectors, Stamp("a", "w" * 16, "other", 8))
    with pytest.raises(SpaceMismatchError, match=r"p{8}.*other"):
        append(store.path, stranger)
    with pytest.raises(SpaceMismatchError, match="select"):
        select(store, near=stranger[0])
    with pytest.raises(SpaceMismatchError, match="write_store"):
        write_store(tmp_path / "x", [points, stranger])
    other = write_store(tmp_path / "other", stranger)
    with pytest.raises(SpaceMismatchError, match="merge"):
        merge([store.path, other.path], tmp_path / "y")
    with pytest.raises(SpaceMismatchError):
        open_store(store.path, stamp=stranger.stamp)
    half = write_store(tmp_path / "half", points, dtype="float16")
    with pytest.raises(InputError, match="one dtype"):
        merge([store.path, half.path], tmp_path / "y")
    with pytest.raises(InputError, match="one point"):
        select(store, near=points[:2])


@pytest.mark.parametrize("path", [None, 3, ["a"]])
def test_a_store_is_opened_by_its_path(path):
    with pytest.raises(InputError, match="open_store: expected the path of a folder, got"):
        open_store(path)


def test_nothing_is_written_over(store, points, tmp_path):
    for write in (
        lambda: write_store(store.path, points),
        lambda: merge([store.path], store.path),
        lambda: export(select(store, near=points[0]), store.path),
    ):
        with pytest.raises(InputError, match="holds a store"):
            write()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("mine")
    with pytest.raises(InputError, match="empty folder"):
        write_store(tmp_path / "full", points)
    with pytest.raises(InputError, match="at least one"):
        write_store(tmp_path / "z", [])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: (p / "store.json").write_text("{"), "cannot be read"),
        (lambda p: (p / "store.json").write_text('{"format": "clipspace-store/9"}'), "update clipspace"),
        (lambda p: (p / "img_emb/img_emb_0001.npy").unlink(), "shard 1 .* is damaged"),
        (lambda p: (p / "metadata/metadata_0002.parquet").write_bytes(b""), "shard 2 .* is damaged"),
        (lambda p: (p / "stats/shard_0000.json").unlink(), "shard 0 .* is damaged"),
    ],
)
def test_a_damaged_store_is_refused_by_name(store, damage, message):
    damage(store.path)
    with pytest.raises(InputError, match=message):
        open_store(store.path)


def test_verify_finds_a_flipped_bit(store):
    store.verify()
    file = store.path / "img_emb/img_emb_0001.npy"
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    open_store(store.path)
    with pytest.raises(InputError, match=r"img_emb_0001\.npy"):
        store.verify()


@pytest.mark.parametrize("what", ["no folder", "empty", "no arrays", "ints", "cut", "unpaired", "uneven", "wider"])
def test_what_is_no_store_is_refused(tmp_path, points, what):
    path = tmp_path / "s"
    if what != "no folder":
        path.mkdir()
    if what not in ("no folder", "empty"):
        write_as_clip_retrieval(path / "x", points.vectors, list(points.names))
        path = path / "x"
        array = path / "img_emb/img_emb_1.npy"
        if what == "no arrays":
            for file in (path / "img_emb").iterdir():
                file.unlink()
        elif what == "ints":
            np.save(array, np.zeros((25, 8), int))
        elif what == "cut":
            array.write_bytes(array.read_bytes()[:-5])
        elif what == "unpaired":
            (path / "metadata/metadata_1.parquet").unlink()
        elif what == "uneven":
            np.save(array, points.vectors[:3])
        else:
            np.save(array, np.zeros((25, 9), np.float16))
    with pytest.raises(InputError, match="open_store"):
        open_store(path)


def test_text_and_prior_points_are_stored_too(tmp_path, points):
    texts = Embeddings(points.vectors[:2], STAMP, "text", ["a cat", "a dog"])
    store = write_store(tmp_path / "texts", texts)
    assert (store.modality, store.names) == ("text", ["a cat", "a dog"])
    assert np.allclose(store[:].columns["text_norm"], texts.norm)
    assert (tmp_path / "texts/text_emb/text_emb_0000.npy").is_file()
    prior = write_store(tmp_path / "prior", Embeddings(points.vectors[:2], STAMP, "prior"))
    assert prior[0].modality == "prior"
    with pytest.raises(InputError, match="merge"):
        append(store.path, points)
    with pytest.raises(InputError, match="expected one of"):
        open_store(store.path, modality="image")


def test_the_header_says_what_the_vectors_are(store):
    header = json.loads((store.path / "store.json").read_text())
    assert header["stamp"] == STAMP.to_dict()
    assert (header["rows"], header["normalized"], header["dtype"]) == (50, False, "float32")
    assert header["hash"] == store.hash


def test_addresses_do_not_reach_the_record(tmp_path):
    writer = ShardWriter(tmp_path, 0, ["image"], dim=2, dtype="float32")
    writer.reject("a.png", "corrupt", "cannot read <_io.BytesIO object at 0x7f00dead>")
    writer.close()
    [row] = pyarrow.parquet.read_table(tmp_path / "rejected/rejected_0000.parquet").to_pylist()
    assert row["detail"] == "cannot read <_io.BytesIO object>"
    assert not list(tmp_path.glob("img_emb/*"))


def test_a_condition_after_a_sorting_query_keeps_rows_and_labels_together(store, points):
    chosen = select(store, near=points[4], where=field("label") == 4, k=1000)
    assert set(chosen.rows.tolist()) == {i for i in range(50) if i % 5 == 4}


def test_a_normalized_store_written_again_keeps_its_norms(tmp_path, points):
    unit = write_store(tmp_path / "unit", points, normalized=True)
    again = write_store(tmp_path / "again", unit.load(normalize=True), normalized=True)
    assert np.allclose(again.load(normalize=False).vectors, points.vectors, rtol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_directions_written_again_as_raw_get_their_lengths_back(tmp_path, points, dtype):
    unit = write_store(tmp_path / "unit", points, normalized=True, dtype=dtype)
    raw = write_store(tmp_path / "raw", unit[:])
    assert not raw.normalized
    assert np.allclose(raw[:].vectors, points.vectors, rtol=2e-3, atol=1e-3 * points.norm.max())
    appended = append(tmp_path / "raw", unit[:3])
    assert np.allclose(appended[50:].norm, points.norm[:3], rtol=2e-3)
    moved = write_store(tmp_path / "moved", unit[:].with_vectors(3 * unit[:].unit))  # a length of its own is kept
    assert np.allclose(moved[:].norm, 3, rtol=1e-3)


def test_a_write_that_failed_can_be_tried_again(tmp_path, points):
    broken = points.with_vectors(np.where(np.arange(50)[:, None] == 3, np.nan, points.vectors))
    with pytest.raises(InputError, match="finite"):
        write_store(tmp_path / "s", broken)
    assert len(write_store(tmp_path / "s", points)) == 50
    texts = Embeddings(points.vectors, STAMP, "text")
    with pytest.raises(InputError, match="image embeddings throughout, got text"):
        write_store(tmp_path / "t", [points, texts])


def test_a_stamp_given_to_a_foreign_store_must_have_its_dimension(tmp_path, points):
    write_as_clip_retrieval(tmp_path / "cr", points.vectors, list(points.names))
    with pytest.raises(SpaceMismatchError, match="8 dimensions"):
        open_store(tmp_path / "cr", stamp=Stamp("b", "w" * 16, "p" * 16, 9))


def test_a_column_of_several_kinds_of_numpy_values_is_stored(tmp_path):
    columns = {
        "mixed": [np.int64(1), "b", None],
        "truth": [np.True_, "no", None],
        "large": [np.int64(2**53 + 1), np.float64(0.5), None],
        "number": [np.float32(1), None, 2],
    }
    store = write_store(tmp_path / "s", Embeddings(np.eye(3, dtype=np.float32), columns=columns))
    read = store.metadata(list(columns)).to_pydict()
    assert read["mixed"] == ["1", "b", None]
    assert read["truth"] == ["true", "no", None]
    assert read["large"] == ["9007199254740993", "0.5", None]
    assert read["number"] == [1.0, None, 2.0]
