import pickle
from types import MappingProxyType

import numpy as np
import pytest

from clipspace.errors import InputError, SpaceMismatchError
from clipspace.points.arrays import (
    as_points,
    as_points_in,
    check_one_space,
    embeddings_of,
    float32_blocks,
    gather,
    parts,
    unit_blocks,
    unit_rows,
)
from clipspace.points.embeddings import Embeddings, Stamp
from clipspace.points.store import write_store

STAMP = Stamp("a", "0" * 64, "1" * 64, 6)


class StandIn:
    """What a store looks like to the code that reads it."""

    stamp, hash, dim, modality, columns = STAMP, "abc", 6, "image", MappingProxyType({})

    def __init__(self, vectors):
        self.vectors = vectors
        self.names = [f"row {i}" for i in range(len(vectors))]

    def __len__(self):
        return len(self.vectors)

    def __getitem__(self, rows):
        return Embeddings(self.vectors, STAMP, names=self.names)[rows]

    def blocks(self, rows=70):
        for start in range(0, len(self.vectors), rows):
            yield self.vectors[start : start + rows]

    def parts(self, rows):
        yield self


@pytest.fixture
def vectors(rng):
    return rng.normal(size=(300, 6)).astype(np.float16)


@pytest.fixture(params=["array", "memory map", "embeddings", "store"])
def points(request, vectors, tmp_path):
    if request.param == "memory map":
        np.save(tmp_path / "x.npy", vectors)
        return np.load(tmp_path / "x.npy", mmap_mode="r")
    return {"array": vectors, "embeddings": Embeddings(vectors, STAMP), "store": StandIn(vectors)}[request.param]


def test_every_kind_of_points_reads_the_same(points, vectors):
    points = as_points(points)
    assert (len(points), points.dim) == (300, 6)
    assert np.array_equal(np.concatenate(list(points.blocks(64))), vectors)
    ready = np.concatenate(list(float32_blocks(points, unit=True, rows=64)))
    assert ready.dtype == np.float32
    assert np.allclose(ready, vectors / np.linalg.norm(vectors.astype(float), axis=1, keepdims=True), atol=1e-6)
    directions = np.concatenate(list(unit_blocks(points, rows=64)))
    assert np.array_equal(directions, Embeddings(vectors).unit)
    rows = np.array([0, 63, 64, 299])
    assert np.array_equal(gather(points, rows), vectors[rows].astype(np.float32))
    assert gather(points, rows[:0]).shape == (0, 6)


def test_parts_read_alone_are_the_whole(points, vectors):
    points = as_points(points)
    runs = list(parts(points, rows=128))
    assert [start for start, _ in runs] == ([0] if isinstance(points, StandIn) else [0, 128, 256])
    assert np.array_equal(np.concatenate([b for _, run in runs for b in run.blocks()]), vectors)
    assert all(run.dim == 6 for _, run in runs)
    assert all(pickle.loads(pickle.dumps(run)).dim == 6 for _, run in runs)  # a worker is sent them


def test_an_array_becomes_points_without_a_copy(vectors, tmp_path):
    assert np.shares_memory(as_points(vectors).vectors, vectors)
    np.save(tmp_path / "x.npy", vectors)
    assert isinstance(as_points(np.load(tmp_path / "x.npy", mmap_mode="r"))[3:5].vectors, np.memmap)
    assert as_points(vectors)[[7, 9]].names == ("7", "9")
    assert as_points(np.arange(6).reshape(2, 3)).vectors.dtype == np.float64
    points = Embeddings(vectors)
    assert as_points(points) is points


def test_embeddings_and_a_store_are_the_same_points(vectors, tmp_path):
    columns = {"label": list(range(300)), "caption": ["a word"] * 300}
    points = Embeddings(vectors, STAMP, names=[f"{i}.png" for i in range(300)], columns=columns)
    store = write_store(tmp_path / "store", points, dtype="float16")
    assert list(store.names) == list(points.names)
    assert list(store.columns) == list(store[:].columns)
    assert dict(store.columns) == dict(store[:].columns)
    assert {name: store.columns[name] for name in columns} == columns
    assert "image_path" not in store.columns
    for name in ("dim", "stamp", "modality"):
        assert getattr(store, name) == getattr(points, name)
    assert (points.hash, len(store.hash)) == (None, 16)
    for rows in (7, 128, 300, 301):
        assert [len(block) for block in store.blocks(rows)] == [len(block) for block in points.blocks(rows)]
        assert [len(part) for part in store.parts(rows)] == [len(part) for part in points.parts(rows)]


def test_a_view_of_a_memory_map_reads_its_own_rows(vectors, tmp_path):
    np.save(tmp_path / "x.npy", vectors)
    half = np.load(tmp_path / "x.npy", mmap_mode="r")[100:200]
    assert np.array_equal(np.concatenate(list(as_points(half).blocks(7))), vectors[100:200])


def test_changes_to_a_private_memory_map_survive_a_pass(vectors, tmp_path):
    np.save(tmp_path / "x.npy", vectors)
    private = np.load(tmp_path / "x.npy", mmap_mode="c")
    private[5] = 7
    for _ in range(2):
        assert np.array_equal(np.concatenate(list(as_points(private).blocks()))[5], np.full(6, 7))


def test_bad_rows_are_named(vectors):
    vectors[77] = 0
    points = as_points(vectors)
    with pytest.raises(InputError, match=r"zero.* at row 77"):
        list(float32_blocks(points, unit=True, rows=50))
    assert len(list(float32_blocks(points, rows=50))) == 6
    with pytest.raises(InputError, match=r"zero.* at row 77"):
        list(unit_blocks(points, rows=50))
    with pytest.raises(InputError, match=r"zero.* at row 77"):
        unit_rows(Embeddings(vectors), np.array([3, 77]), "x")
    vectors[130, 2] = np.nan
    with pytest.raises(InputError, match=r"NaN.* at row 130"):
        list(float32_blocks(points, rows=50))


def test_what_does_not_fit_is_refused(vectors):
    assert as_points_in(vectors, 6, STAMP, "search").stamp == STAMP
    as_points_in(Embeddings(vectors, STAMP), 6, STAMP, "search")
    with pytest.raises(InputError, match="search: expected 5 dimensions, got 6"):
        as_points_in(vectors, 5, None, "search")
    with pytest.raises(SpaceMismatchError, match="no stamp"):
        as_points_in(Embeddings(vectors), 6, STAMP, "search")
    as_points_in(Embeddings(vectors), 6, None, "search")
    for stamped in (Embeddings(vectors, STAMP), StandIn(vectors)):
        with pytest.raises(SpaceMismatchError, match="without a stamp"):
            as_points_in(stamped, 6, None, "search")
    with pytest.raises(InputError, match=r"shape \(n, d\)"):
        as_points(np.zeros(3))
    assert as_points(StandIn(vectors)).stamp == STAMP


def test_a_store_is_embeddings_where_those_are_wanted(vectors, tmp_path):
    points = Embeddings(vectors, STAMP)
    assert embeddings_of(points, "x") is points
    store = write_store(tmp_path / "store", points, dtype="float16")
    assert np.array_equal(embeddings_of(store, "x").vectors, vectors)
    assert np.array_equal(unit_rows(store, np.array([5, 250]), "x"), points.unit[[5, 250]])
    check_one_space(store, points, "x")
    for wrong in (embeddings_of, lambda a, doing: unit_rows(a, [0], doing), lambda a, d: check_one_space(points, a, d)):
        with pytest.raises(InputError, match=r"x: expected Embeddings or a store, got ndarray; wrap arrays"):
            wrong(vectors, "x")
    with pytest.raises(SpaceMismatchError, match="no stamp"):
        check_one_space(store, Embeddings(vectors), "x")
