"""Vectors that users have: every source is opened as the same points, in place, or refused before work."""

import os
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet
from safetensors.torch import save_file

from clipspace import PCA, build_index
from clipspace.errors import CapabilityError, InputError, SpaceMismatchError
from clipspace.points.arrays import as_points
from clipspace.points.embeddings import Embeddings, RowNumbers, Stamp
from clipspace.points.interchange import limits, open_points
from clipspace.points.moments import moments
from clipspace.points.store import write_store

N, D = 200, 12
STAMP = Stamp("toy", "0" * 16, "1" * 16, D)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def x(rng):
    return rng.normal(size=(N, D)).astype(np.float32)


def fixed(x):
    return pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), x.shape[1])


def table(x, **more):
    return pa.table({"name": [f"{i}.jpg" for i in range(len(x))], "vector": fixed(x), **more})


def stream(path, data, rows):
    """An Arrow file as `datasets` writes it."""
    Path(path).parent.mkdir(exist_ok=True)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, data.schema) as writer:
        writer.write_table(data, max_chunksize=rows)


def dataset(x):
    """A folder as `Dataset.save_to_disk` leaves it: two files whose order only state.json says."""
    stream("ds/data-b.arrow", table(x[:90]), 40)
    stream("ds/data-a.arrow", table(x[90:]), 40)
    Path("ds/dataset_info.json").write_text("{}")
    Path("ds/state.json").write_text('{"_data_files": [{"filename": "data-b.arrow"}, {"filename": "data-a.arrow"}]}')
    return "ds"


def arrow_file(x):
    with pa.OSFile("x.arrow", "wb") as file, pa.ipc.new_file(file, table(x).schema) as writer:
        writer.write_table(table(x), max_chunksize=64)
    return "x.arrow"


def shards(x):
    Path("many").mkdir()
    for i in (2, 10):
        parquet.write_table(table(x[:90] if i == 2 else x[90:]), f"many/part-{i}.parquet", row_group_size=33)
    return Path("many")


def clip_retrieval(x):
    for name in ("img_emb", "metadata"):
        Path("cr", name).mkdir(parents=True)
    np.save("cr/img_emb/img_emb_0.npy", x)
    pd.DataFrame({"image_path": [f"{i}.jpg" for i in range(N)]}).to_parquet("cr/metadata/metadata_0.parquet")
    return "cr"


def saved(save, name):
    def source(x):
        save(x, name.partition(":")[0])
        return name

    return source


SOURCES = {
    ".npy": saved(lambda x, path: np.save(path, x), "x.npy"),
    "member of .npz": saved(lambda x, path: np.savez("x.npz", a=x, b=x + 1), "x.npz:a"),
    "compressed .npz": saved(lambda x, path: np.savez_compressed(path, a=x), "x.npz"),
    "safetensors": saved(
        lambda x, path: save_file({"a": torch.tensor(x), "b": torch.zeros(3)}, "x.safetensors"), "x.safetensors:a"
    ),
    ".pt": saved(lambda x, path: torch.save(torch.tensor(x), path), "x.pt"),
    ".pt of several": saved(lambda x, path: torch.save({"a": torch.tensor(x), "n": 3}, path), "x.pt"),
    "old .pt": saved(lambda x, path: torch.save(torch.tensor(x), path, _use_new_zipfile_serialization=False), "x.pt"),
    "Parquet": saved(lambda x, path: parquet.write_table(table(x), path, row_group_size=70), "x.parquet"),
    "Parquet, lists": saved(lambda x, path: pd.DataFrame({"v": list(x), "label": "a"}).to_parquet(path), "x.parquet"),
    "Parquet, struct": saved(
        lambda x, path: parquet.write_table(
            pa.table({"v": [dict(zip("abcdefghijkl", row.tolist(), strict=True)) for row in x]}), path
        ),
        "x.parquet:v",
    ),
    "list in a struct": saved(
        lambda x, path: parquet.write_table(pa.table({"clip": [{"image": row, "model": "m"} for row in x]}), path),
        "x.parquet:clip.image",
    ),
    "numbered columns": saved(
        lambda x, path: pd.DataFrame(x, columns=[f"e{i}" for i in range(D)]).assign(size=3).to_parquet(path),
        "x.parquet",
    ),
    "CSV": saved(
        lambda x, path: pd.DataFrame(x[:, ::-1], columns=[f"e{i}" for i in reversed(range(D))]).to_csv(
            path, index=False
        ),
        "x.csv",
    ),
    "CSV of lists": saved(
        lambda x, path: pd.DataFrame({"v": [row.tolist() for row in x], "n": 1}).to_csv(path), "x.csv"
    ),
    "CSV as pandas writes arrays": saved(
        lambda x, path: pd.DataFrame({"v": [*x.round(3)]}).to_csv(path, sep=";"), "x.csv:v"
    ),
    "Arrow": arrow_file,
    "Hugging Face dataset": dataset,
    "folder of Parquet": shards,
    "clip-retrieval": clip_retrieval,
    "pandas": lambda x: pd.DataFrame({"v": list(x), "label": "a"}, index=np.arange(N)[::-1]),
    "pandas numbers": pd.DataFrame,
    "pandas column": lambda x: pd.Series(list(x), index=np.arange(N)[::-1]),
    "Arrow table": table,
    "tensor": torch.tensor,
    "array": np.asarray,
}


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_gives_the_same_points(folder, x, kind):
    points = open_points(SOURCES[kind](x), labels={"kind": [i % 3 for i in range(N)]})
    tolerance = 1e-3 if "pandas writes" in kind else 1e-6 if "CSV" in kind else 0
    assert (len(points), points.dim, points.stamp, points.modality) == (N, D, None, "image")
    blocks = list(points.blocks(64))
    assert max(map(len, blocks)) <= 64
    assert np.abs(np.concatenate(blocks) - x).max() <= tolerance
    rows = [150, 3, 3, 69, 199, 70]
    chosen = points[rows]
    assert np.abs(chosen.vectors - x[rows]).max() <= tolerance
    assert chosen.columns["kind"] == [i % 3 for i in rows]
    assert chosen.names == tuple(str(points.names[i]) for i in rows)
    assert points.names[3] in ("3", "3.jpg")
    parts = list(points.parts(100))
    assert sum(map(len, parts)) == N
    assert np.abs(np.concatenate([block for part in parts for block in part.blocks()]) - x).max() <= tolerance
    assert np.array_equal(points[:].vectors, np.concatenate(blocks))
    assert len(points[np.arange(N) > 190]) == 9


@pytest.mark.parametrize("kind", [".npy", "member of .npz", "safetensors"])
def test_arrays_are_mapped_and_not_copied(folder, x, kind):
    assert isinstance(open_points(SOURCES[kind](x), names=[str(i) for i in range(N)]).vectors, np.memmap)


def test_an_array_and_a_tensor_in_memory_are_not_copied(x):
    tensor = torch.tensor(x)
    assert np.shares_memory(open_points(x).vectors, x)
    assert np.shares_memory(open_points(tensor, labels=[0] * N).vectors, tensor.numpy())


def test_an_arrow_file_is_mapped(folder, x):
    before = pa.total_allocated_bytes()
    blocks = list(open_points(arrow_file(x)).blocks())
    assert pa.total_allocated_bytes() - before < x.nbytes / 10
    assert np.array_equal(np.concatenate(blocks), x)


def test_bfloat16_and_half_precision_and_integers_keep_their_values(folder, x):
    save_file({"x": torch.tensor(x).bfloat16()}, "b.safetensors")
    torch.save(torch.tensor(x).bfloat16(), "b.pt")
    truth = torch.tensor(x).bfloat16().float().numpy()
    for path in ("b.safetensors", "b.pt"):
        assert np.array_equal(open_points(path).vectors, truth)
    parquet.write_table(table(x.astype(np.float16)), "h.parquet")
    assert next(open_points("h.parquet").blocks()).dtype == np.float16
    codes = np.round(x * 20).astype(np.int8)
    parquet.write_table(table(codes), "i.parquet")
    assert np.array_equal(open_points("i.parquet")[:].vectors, codes.astype(np.float32))


@pytest.mark.parametrize("kind", ["Parquet", "Hugging Face dataset", "folder of Parquet", "member of .npz"])
def test_pca_and_index_of_a_table_are_those_of_the_array(folder, x, kind):
    points = open_points(SOURCES[kind](x))
    assert np.allclose(PCA(3).fit(points).components_, PCA(3).fit(x).components_, atol=1e-6)
    assert np.allclose(moments(points, unit=True).scatter, moments(x, unit=True).scatter)
    index = build_index(points)
    assert index.search(points[[7, 150]], 1).rows[:, 0].tolist() == [7, 150]
    assert index.names_of([3]) == [points.names[3]]


def test_names_labels_and_norms_come_from_files_columns_and_sequences(folder, x):
    np.save("x.npy", x)
    meta = pd.DataFrame(
        {"file": [f"{i}.jpg" for i in range(N)], "kind": ["ab"[i % 2] for i in range(N)], "norm": np.arange(N) + 1.0}
    )
    meta.to_csv("meta.csv", index=False)
    meta[::-1].to_parquet("meta.parquet")
    points = open_points("x.npy", names="meta.csv:file", labels="meta.csv:kind", norms="meta.csv:norm")
    assert points.names[:2] == ("0.jpg", "1.jpg")
    assert list(points.columns["kind"]) == [*meta["kind"]]
    assert points.columns["norm"][4] == 5
    by_name = open_points("x.npy", names="meta.csv:file", labels=[Path("meta.parquet:kind"), Path("meta.csv:norm")])
    assert list(by_name.columns["kind"]) == [*meta["kind"]]
    parquet.write_table(table(x, kind=meta["kind"].tolist()), "x.parquet")
    own = open_points("x.parquet", names="kind", labels=[str(i) for i in range(N)])
    assert (own.names[1], own[1].columns["label"], own.dim) == ("b", ["1"], D)
    assert open_points("x.parquet", labels="meta.parquet:kind").columns["kind"][1] == "b"


def test_a_store_takes_labels_and_stays_a_store_without_any(folder, x):
    store = write_store("store", Embeddings(x, STAMP, names=[str(i) for i in range(N)], columns={"kind": ["a"] * N}))
    assert open_points("store").hash == store.hash
    points = open_points(store, labels={"year": range(N)})
    assert (points.stamp, points[5].columns["year"], points[5].columns["kind"]) == (STAMP, [5], ["a"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": "short.txt"}, "expected 200 labels, one for each vector, got 2 in 'short.txt'"),
        ({"names": ["a"]}, "expected 200 names, one for each vector, got 1"),
        ({"norms": [1.0]}, "expected 200 norms"),
        ({"norms": [0.0] * N}, "positive norms, got 0.0 in row 0"),
        ({"labels": "nowhere"}, "got 'nowhere', which is not a file and no column"),
        ({"labels": {"a": "meta.csv:none"}}, r"\['label'\], got 'none'"),
        ({"space": "mini"}, "expected a Space or a Stamp as space"),
        ({"column": "other"}, "'other'"),
    ],
)
def test_what_does_not_fit_is_refused_before_vectors_are_read(folder, x, monkeypatch, options, message):
    parquet.write_table(table(x), "x.parquet")
    Path("short.txt").write_text("a\nb")
    Path("meta.csv").write_text("label\na")
    monkeypatch.setattr(
        "clipspace.points.interchange.table_points.TableRun.blocks", lambda *_: pytest.fail("they were read")
    )
    with pytest.raises(InputError, match=message):
        open_points("x.parquet", **options)


def test_the_space_is_said_and_checked(x):
    assert open_points(x, space=STAMP).stamp == STAMP
    with pytest.raises(SpaceMismatchError, match="got 12 dimensions"):
        open_points(x, space=Stamp("toy", "0" * 16, "1" * 16, 13))
    with pytest.raises(SpaceMismatchError, match="their weights"):
        open_points(Embeddings(x, STAMP), space=Stamp("toy", "2" * 16, "1" * 16, D))


def test_what_is_unknown_is_said_with_the_option_that_adds_it(x):
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    said = " ".join(limits(open_points(unit.astype(np.float16))))
    for words in ("--space", "modality=", "--names", "norms=", "float16"):
        assert words in said
    names = [str(i) for i in range(N)]
    assert limits(open_points(unit, names=names, norms=np.ones(N), space=STAMP)) == ()
    assert limits(open_points(x, names=names, space=STAMP)) == ()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(5), r"shape \(5,\); one vector is x\[None\]"),
        (np.zeros((2, 3, 4)), r"shape \(2, 3, 4\); x.reshape"),
        (np.zeros((2, 3), complex), "complex128; save them as float32"),
        (np.zeros((2, 3), bool), "bool; save them as float32"),
        (np.array([["a"]]), "<U1; save them as float32"),
        (np.array([[1], None], dtype=object), "Python objects"),
        (np.zeros((0, 3)), "at least one"),
        (np.zeros((3, 0)), "at least one"),
    ],
)
def test_arrays_that_are_no_vectors_are_refused(folder, array, message):
    np.save("x.npy", array)
    np.savez("x.npz", x=array)
    for path in ("x.npy", "x.npz"):
        with pytest.raises(InputError, match=message):
            open_points(folder / path)


class Planted:
    def __reduce__(self):
        return os.mkdir, ("ran",)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("none.npy", "check the path"),
        ("none.npz:x", "check the path|cannot be read"),
        ("empty.npy", "which is none of them"),
        ("text.npy", "which is none of them"),
        ("cut.npy", "get a whole copy"),
        ("text.npz", "get a whole copy"),
        ("text.safetensors", "get a whole copy"),
        ("text.pt", "get a whole copy|Python objects"),
        ("planted.pt", "Python objects, which can run code"),
        ("long.safetensors", "get a whole copy"),
        ("text.arrow", "cannot be read as a table"),
        ("text.parquet", "cannot be read as Parquet"),
        ("ragged.parquet", "of one length in every row of 'v', got 2 beside 1 in row 1"),
        ("holes.parquet", "of one length in every row of 'v', got none in row 1"),
        ("two.npz", r"\['x', 'y'\], got none named; give it as two.npz:NAME"),
        ("two.parquet", r"\['u', 'v'\]"),
        ("words.csv", "numbered columns e0, e1"),
        ("printed.csv", "numbered columns e0, e1"),
        (".", "check the path"),
        ("split", "expected one split of a dataset"),
        ("unlike", "expected files of the same columns"),
    ],
)
def test_files_that_are_no_vectors_are_refused(folder, path, message):
    Path("empty.npy").touch()
    for name in ("text.npy", "text.npz", "text.parquet", "text.safetensors", "text.pt", "text.arrow"):
        Path(name).write_bytes(b"not what its name says")
    Path("long.safetensors").write_bytes(struct.pack("<Q", 2**60) + b"{}")
    torch.save(Planted(), "planted.pt")
    np.save("whole.npy", np.eye(3))
    Path("cut.npy").write_bytes(Path("whole.npy").read_bytes()[:-8])
    np.savez("two.npz", x=np.eye(2), y=np.eye(2))
    pd.DataFrame({"v": [[1.0], [2.0, 3.0], [4.0]]}).to_parquet("ragged.parquet")
    pd.DataFrame({"v": [[1.0, 2.0], None]}).to_parquet("holes.parquet")
    pd.DataFrame({"u": [[1.0, 2.0]], "v": [[1.0, 2.0]]}).to_parquet("two.parquet")
    Path("words.csv").write_text("name,age\na,3\n")
    Path("printed.csv").write_text('v\n"[0.1 0.2 ... 0.3]"\n')
    Path("split").mkdir()
    Path("split/dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    Path("unlike").mkdir()
    pd.DataFrame({"v": [[1.0]]}).to_parquet("unlike/0.parquet")
    pd.DataFrame({"w": [[1.0]]}).to_parquet("unlike/1.parquet")
    with pytest.raises(InputError, match=message):
        open_points(folder / path)[:]
    assert not Path("ran").exists()


def test_a_folder_of_images_with_a_table_beside_them_is_not_taken_for_vectors(folder):
    from clipspace.points.interchange.opening import is_vectors

    Path("photos").mkdir()
    Path("photos/a.jpg").touch()
    assert not is_vectors(Path("photos"))
    pd.DataFrame({"v": [[1.0]]}).to_parquet("photos/v.parquet")
    assert not is_vectors(Path("photos"))


def test_lance_is_asked_for_where_it_is_not_installed(folder, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "lance", None)
    Path("x.lance").mkdir()
    with pytest.raises(CapabilityError, match="pip install pylance"):
        open_points("x.lance")


def test_row_numbers_stay_lazy(x):
    assert isinstance(as_points(x).names, RowNumbers)
    assert isinstance(open_points(x, labels=[0] * N).names, RowNumbers)
