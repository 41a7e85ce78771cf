import json
import os
import subprocess
import sys
from functools import partial

import numpy as np
import pyarrow as pa
import pytest
from full_disk import full_disk
from pyarrow import parquet

from clipspace import open_index
from clipspace.errors import InputError, RecallError, SpaceMismatchError
from clipspace.points.arrays import parts
from clipspace.points.embeddings import Embeddings, Stamp
from clipspace.points.store import append, write_store
from clipspace.search import build_index, building, choose_kind, faiss_backend, list_kind
from clipspace.search.kinds import Kind
from clipspace.search.recall import Truth
from clipspace.seeds import stream

D = 24
STAMP = Stamp("a", "0" * 64, "1" * 64, D)
GRAPH = Kind("HNSW16,Flat", 0, "efSearch", (16, 32, 64, 128))


def clusters(n, seed=0):
    rng = np.random.default_rng(seed)
    centres = 2 * np.random.default_rng(9).normal(size=(40, D))
    return (centres[rng.integers(40, size=n)] + rng.normal(size=(n, D))).astype(np.float32)


def brute_force(rows, queries, k):
    unit = [x / np.linalg.norm(x.astype(float), axis=1, keepdims=True) for x in (queries, rows)]
    return np.argsort(-(unit[0] @ unit[1].T), axis=1)[:, :k]


@pytest.fixture(scope="module")
def rows():
    return clusters(6000)


@pytest.fixture(scope="module", params=["flat", "graph", "lists"])
def built(request, rows):
    kind = {"flat": None, "graph": GRAPH, "lists": list_kind(6000, D)}[request.param]
    points = Embeddings(rows, STAMP, names=[f"row {i}" for i in range(len(rows))])
    return build_index(points, kind=kind, recall=0.9)


def test_recall_is_what_brute_force_says(built, rows):
    queries = clusters(300, seed=5)
    found, exact = built.search(queries, 10), brute_force(rows, queries, 10)
    recall = np.mean([np.isin(f, e).mean() for f, e in zip(found.rows, exact, strict=True)])
    assert recall >= (0.9 if built.facts["knob"] else 1)
    assert np.all(np.diff(found.cosines, axis=1) <= 0)
    verified = built.verify(rows, queries=300)
    assert abs(verified["recall"] - recall) < 0.05
    assert verified["self_recall"] > 0.95
    with pytest.raises(RecallError, match=r"at least 1\.1"):
        built.verify(rows, queries=50, recall=1.1)


def test_answers_are_the_same_bits_on_any_number_of_threads(built, rows):
    one = built.search(rows, 10, threads=1)
    for threads in (2, 3, 8):
        with faiss_backend.thread_count(threads):
            more = built.search(rows, 10, threads=threads)
        assert more.cosines.tobytes() == one.cosines.tobytes()
        assert more.rows.tobytes() == one.rows.tobytes()


def test_names_ids_and_cosines_belong_together(built, rows):
    hits = built.search(Embeddings(rows[[7, 4321]] * 5, STAMP), 3)
    for query, row in enumerate((7, 4321)):
        assert hits[query].rows[0] == row
        assert hits[query].names == [f"row {i}" for i in hits[query].rows]
        assert hits[query].cosines[0] == pytest.approx(1, abs=2e-3)
    frame = hits.to_frame()
    assert list(frame["row"]) == hits.rows.ravel().tolist()
    assert list(frame["query"]) == [0, 0, 0, 1, 1, 1]


def test_range_search_finds_what_is_near(built, rows):
    queries, least = rows[:5], 0.9
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    for hits, cosines in zip(built.range_search(queries, least), unit[:5] @ unit.T, strict=True):
        assert np.all(hits.cosines >= least)
        assert np.all(np.diff(hits.cosines) <= 0)
        exact = np.flatnonzero(cosines > least)
        assert np.isin(exact, hits.rows).mean() >= (0.5 if built.facts["knob"] else 1)


@pytest.mark.parametrize("mmap", [False, True])
def test_saved_and_opened_it_answers_the_same(built, rows, tmp_path, mmap):
    built.save(tmp_path / "index")
    opened = open_index(tmp_path / "index", mmap=mmap)
    a, b = built.search(rows[:200], 10), opened.search(rows[:200], 10)
    assert np.array_equal(a.rows, b.rows)
    assert np.array_equal(a.cosines, b.cosines)
    assert (opened.stamp, opened.facts, opened.modality) == (STAMP, built.facts, "image")
    assert a[3].names == b[3].names
    if mmap:
        with pytest.raises(InputError, match="mmap=False"):
            opened.add(Embeddings(rows[:1], STAMP))


def test_an_index_that_is_opened_while_it_is_replaced_is_replaced_all_the_same(rows, tmp_path, monkeypatch):
    """Whoever opens it in the moment when the old one is moved aside puts that back."""
    path, replace, opened = tmp_path / "index", os.replace, []
    build_index(rows[:300]).save(path)

    def replaced(old, new):
        replace(old, new)
        if old == path and not opened:
            opened.append(open_index(path))

    monkeypatch.setattr(os, "replace", replaced)
    build_index(rows[:200]).save(path, overwrite=True)
    assert [len(opened[0]), len(open_index(path))] == [300, 200]
    assert [file.name for file in tmp_path.iterdir()] == ["index"]


def test_two_builds_are_the_same(built, rows, tmp_path):
    kind = {"Flat": None, GRAPH.factory: GRAPH}.get(built.facts["kind"], list_kind(6000, D))
    points = Embeddings(rows, STAMP, names=[f"row {i}" for i in range(len(rows))])
    again = build_index(points, kind=kind, recall=0.9)
    for name, index in (("a", built), ("b", again)):
        index.save(tmp_path / name)
    for file in sorted((tmp_path / "a").iterdir()):
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes(), file.name


@pytest.mark.parametrize("kind", [Kind("Flat", 0), *(list_kind(6000, D, codec) for codec in ("SQfp16", "SQ8", "PQ"))])
def test_an_index_of_parts_is_that_of_the_whole(rows, tmp_path, monkeypatch, kind):
    for name, most in (("whole", 6000), ("parts", 1700)):
        monkeypatch.setattr(building, "parts", partial(parts, rows=most))
        build_index(rows, kind=kind, recall=0.3).save(tmp_path / name)
    for file in sorted((tmp_path / "whole").iterdir()):
        assert file.read_bytes() == (tmp_path / "parts" / file.name).read_bytes(), file.name


def test_rows_can_be_added(rows):
    index = build_index(Embeddings(rows[:5000], STAMP), kind=list_kind(5000, D), recall=0.9)
    index.add(Embeddings(rows[5000:], STAMP, names=[f"new {i}" for i in range(1000)]))
    assert len(index) == 6000
    assert index.search(rows[5500:5501], 1)[0].names == ["new 500"]
    assert index.verify(rows, queries=200)["recall"] > 0.85
    bad = rows[:3].copy()
    bad[2] = 0
    with pytest.raises(InputError, match="row 2 "):
        index.add(bad)
    assert len(index) == 6000
    assert index.search(rows[:1], 6000).rows.max() < 6000


def test_below_the_target_it_fails_loudly(rows):
    with pytest.raises(RecallError, match=r"at least 0\.99, got 0\.\d+ on 300 held-out rows from IVF128,PQ6 at nprobe"):
        build_index(rows, kind=list_kind(6000, D, "PQ"), recall=0.99)


def test_what_came_from_a_store_remembers_it(rows, tmp_path):
    class Stored:
        stamp, hash, names, dim, modality = STAMP, "abc123", tuple(map(str, range(500))), D, "image"

        def __len__(self):
            return 500

        def blocks(self, rows=65536):
            yield from np.array_split(self.vectors, 3)

        def parts(self, rows=65536):
            yield self

    stored = Stored()
    stored.vectors = rows[:500]
    build_index(stored).save(tmp_path / "index")
    index = open_index(tmp_path / "index")
    assert index.sources == ["abc123"]
    assert json.loads((tmp_path / "index" / "image.json").read_text())["sources"] == ["abc123"]
    assert index.verify(stored)["recall"] == 1
    stored.hash = "changed"
    with pytest.raises(InputError, match="'changed'"):
        index.verify(stored)


def test_an_index_kept_up_to_date_with_its_store_is_of_the_store(rows, tmp_path):
    old, new = (
        Embeddings(part, STAMP, names=[f"{name} {i}" for i in range(len(part))])
        for name, part in (("old", rows[:300]), ("new", rows[300:400]))
    )
    index = build_index(write_store(tmp_path / "store", old))
    grown = append(tmp_path / "store", new)
    index.add(new)
    index.save(tmp_path / "index")
    for kept in (index, open_index(tmp_path / "index")):
        assert kept.verify(grown, recall=1)["recall"] == 1
    swapped = write_store(tmp_path / "swapped", [new, old])
    with pytest.raises(InputError, match="with other names"):
        index.verify(swapped)
    with pytest.raises(InputError, match=f"got a store of hash {swapped.hash!r}; build"):
        build_index(grown).verify(swapped)


def test_points_of_another_space_are_refused(built, rows):
    other = Embeddings(rows[:2], Stamp("b", "2" * 64, "1" * 64, D))
    for call in (built.search, built.add, lambda x: built.range_search(x, 0.5)):
        with pytest.raises(SpaceMismatchError, match=r"a .*b "):
            call(other)


def test_a_stamp_does_not_meet_none(built, rows, tmp_path):
    """An array cannot say what space it is of, so it is taken at its owner's word; what could say it, must."""
    plain, unstamped = build_index(rows[:50]), Embeddings(rows[:50])
    for index in (built, plain):
        assert index.search(rows[:3], 1).rows[:, 0].tolist() == [0, 1, 2]
    for without in (unstamped, write_store(tmp_path / "store", unstamped)):
        assert plain.search(without, 1).rows[2] == 2
        for call in (built.search, built.add, lambda x: built.range_search(x, 0.5)):
            with pytest.raises(SpaceMismatchError, match=r"expected embeddings of a .* got embeddings of no stamp"):
                call(without)
    for call in (plain.search, plain.add, plain.verify, lambda x: plain.range_search(x, 0.5)):
        with pytest.raises(SpaceMismatchError, match=r"without a stamp.* got points of a .*points\.vectors"):
            call(Embeddings(rows[:50], STAMP))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda i, x: i.search(x[:, :5]), "expected 24 dimensions, got 5"),
        (lambda i, x: i.search(x[:1] * 0), "zero"),
        (lambda i, x: i.search(x[:1] * np.nan), "NaN"),
        (lambda i, x: i.search(x[:0]), "at least one query"),
        (lambda i, x: i.search(x[:1], 0), "k of at least 1"),
        (lambda i, x: i.verify(x[:5]), "6000 rows"),
        (lambda i, x: build_index(x[:0]), "at least one row"),
        (lambda i, x: build_index(x[:3], names=["a"]), "3 names"),
        (lambda i, x: build_index(x, recall=1.5), "recall in"),
        (lambda i, x: build_index(x, memory=1000), "memory of at least"),
        (lambda i, x: build_index(x[:19], kind=GRAPH), "at least 20 rows"),
        (lambda i, x: build_index(np.vstack([x[:5], x[:1] * 0])), "row 5 "),
    ],
)
def test_bad_input(built, rows, call, message):
    with pytest.raises(InputError, match=message):
        call(built, rows)


def test_one_row_and_more_neighbours_than_rows(rows):
    index = build_index(rows[:1])
    assert index.search(rows[:2], 10).rows.tolist() == [[0], [0]]


def test_copies_count_as_one_another():
    truth = Truth(np.eye(3, dtype=np.float32)[:1], 2, threads=1)
    truth.see(np.eye(3, dtype=np.float32)[[0, 0, 0, 1]], np.arange(4))
    assert truth.recall(np.array([[2, 1]])) == 1
    assert truth.recall(np.array([[3, 1]])) == 0.5


@pytest.mark.parametrize("n", [20, 5000])
def test_on_a_full_disk_no_index_is_left(rows, tmp_path, n):
    """Neither where FAISS itself fails, nor where only closing its file does, as its end was still in a buffer."""
    index = build_index(rows[:n])
    with full_disk(), pytest.raises(InputError, match=r"could not write '.*index'"):
        index.save(tmp_path / "index")
    assert not os.listdir(tmp_path)


def test_folders_that_are_no_index(built, tmp_path):
    with pytest.raises(InputError, match="open_index"):
        open_index(tmp_path)
    built.save(tmp_path / "index")
    with pytest.raises(InputError, match="exists"):
        built.save(tmp_path / "index")
    np.save(tmp_path / "index" / "ids.npy", np.arange(5))
    with pytest.raises(InputError, match="5 ids"):
        open_index(tmp_path / "index")
    built.save(tmp_path / "index", overwrite=True)
    (tmp_path / "index" / "image.index").write_bytes(b"no index")
    with pytest.raises(InputError, match="as it was saved"):
        open_index(tmp_path / "index")
    with pytest.raises(
        InputError, match="as it was saved"
    ):  # of other length; of the bytes of a mapped one nothing is read
        open_index(tmp_path / "index", mmap=True)
    (tmp_path / "mine").mkdir()
    with pytest.raises(InputError, match="exists"):
        built.save(tmp_path / "mine", overwrite=True)


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("part", ["names", "ids"])
def test_ids_or_names_changed_on_disk_are_noticed(rows, tmp_path, part, mmap):
    folder = tmp_path / "index"
    build_index(rows[:300], names=[f"row {i}" for i in range(300)]).save(folder)
    assert open_index(folder, mmap=mmap).search(rows[7:8], 1)[0].names == ["row 7"]
    order = np.random.default_rng(0).permutation(300)
    if part == "names":
        parquet.write_table(parquet.read_table(folder / "names.parquet").take(order), folder / "names.parquet")
    else:
        np.save(folder / "ids.npy", np.load(folder / "ids.npy")[order])
    with pytest.raises(InputError, match=r"expected ids and names of hash \w{8}, .*, got \w{8} .*build it again"):
        open_index(folder, mmap=mmap)


@pytest.mark.parametrize(("names", "changed"), [(["ab", "c"], ["a", "bc"]), (["a", ""], ["a", None])])
def test_names_that_join_to_one_text_are_told_apart(rows, tmp_path, names, changed):
    build_index(rows[:2], names=names).save(tmp_path / "index")
    assert open_index(tmp_path / "index").names_of([0, 1]) == names
    parquet.write_table(pa.table({"name": pa.array(changed, pa.string())}), tmp_path / "index" / "names.parquet")
    with pytest.raises(InputError, match="ids or names changed"):
        open_index(tmp_path / "index")


def test_what_was_added_is_in_the_hash_too(rows, tmp_path):
    index = build_index(rows[:300])
    index.add(rows[300:400])
    index.save(tmp_path / "index")
    assert open_index(tmp_path / "index").names_of([0, 399]) == ["0", "399"]


def test_verify_fails_when_rows_no_longer_find_themselves(rows):
    index = build_index(rows[:500])
    assert index.verify(rows[:500], recall=1) == {"recall": 1, "self_recall": 1, "copies": 0}
    index.ids = np.random.default_rng(0).permutation(index.ids)
    with pytest.raises(RecallError, match=r"self-recall@1 of at least 0\.9, got 0\.\d+ and 0\.0\d\d"):
        index.verify(rows[:500], recall=0.9)


def test_self_recall_alone_can_fall_short(rows):
    # Rows in pairs, each nearest to the other: to mix the two up leaves the set of a row and its nearest as it was.
    close = rows[:200] + np.random.default_rng(0).normal(0, 0.05, size=(200, D)).astype(np.float32)
    pairs = np.stack([rows[:200], close], axis=1).reshape(400, D)
    index = build_index(pairs)
    index.ids = index.ids.reshape(200, 2)[:, ::-1].ravel()
    assert index.verify(pairs, k=1)["recall"] > 0.99
    with pytest.raises(RecallError, match=r"self-recall@1 of at least 0\.9, got 1\.000 and 0\.000"):
        index.verify(pairs, k=1, recall=0.9)


def test_the_kind_follows_rows_memory_and_recall():
    assert choose_kind(500, 768).factory == "Flat"
    assert choose_kind(10**6, 768, recall=1).factory == "Flat"
    assert choose_kind(50_000, 768).factory.startswith("HNSW")
    assert choose_kind(50_000, 768, memory=100 * 2**20).factory == "IVF1024,SQfp16"
    assert choose_kind(10**6, 768).factory == "IVF4096,SQfp16"
    assert choose_kind(10**6, 768, memory=2**30).factory == "IVF4096,SQ8"
    assert choose_kind(10**6, 768, memory=2**28).factory == "IVF4096,PQ192"
    assert choose_kind(10**6, 100, memory=2**26).factory == "IVF4096,PQ25"


@pytest.mark.parametrize("first", ["torch, faiss", "faiss, torch"])
def test_trains_after_a_torch_forward_in_one_process(first):
    code = f"""
import {first}, os
import numpy as np
from clipspace.search import build_index, list_kind
torch.nn.Linear(64, 64)(torch.randn(512, 64)).sum().backward()
x = np.random.default_rng(0).normal(size=(3000, 64)).astype("float32")
index = build_index(x, kind=list_kind(3000, 64), recall=0.5)
torch.nn.Linear(64, 64)(torch.randn(512, 64)).sum().backward()
print(index.search(x[:9], 1).rows.ravel().tolist(), "KMP_DUPLICATE_LIB_OK" in os.environ)
"""
    unset = {name: value for name, value in os.environ.items() if name != "KMP_DUPLICATE_LIB_OK"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=unset, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout.strip() == f"{list(range(9))} False", done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="reads memory in use from /proc")
@pytest.mark.parametrize("kind", [Kind("Flat", 0), Kind("IVF16,SQfp16", 0, "nprobe", (1,), 500)])
def test_mapped_from_disk_it_takes_no_memory(tmp_path, kind):
    x = np.random.default_rng(0).standard_normal((20_000, 2048), dtype=np.float32)
    build_index(x, kind=kind, recall=0.01, queries=50).save(tmp_path / "index")
    build_index(x[:5]).save(tmp_path / "first")
    code = f"""
from pathlib import Path
from clipspace import open_index
from clipspace.points.arrays import parts
from clipspace.seeds import stream
open_index({str(tmp_path / "first")!r}, mmap=True)  # loads the libraries
resident = lambda: int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20
before = resident()
index = open_index({str(tmp_path / "index")!r}, mmap=True)
print(resident() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    size = (tmp_path / "index" / "image.index").stat().st_size / 2**20
    assert float(done.stdout) < size / 3


def test_asking_for_a_kind_does_not_load_faiss():
    code = "import sys; from clipspace.search import choose_kind; choose_kind(10, 4); print('faiss' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_recall_of_others_does_not_count_the_row_itself(rows):
    """Coarse codes find a row second or later, and then it is still not one of the others."""
    points, k = Embeddings(rows, STAMP), 5
    index = build_index(points, kind=Kind("IVF16,PQ4x4", 0, "nprobe", (16,), 3000), recall=0.0)
    said = index.verify(points, k=k, queries=200)
    drawn = np.sort(stream(0, "queries").choice(len(rows), 200, replace=False))
    found = index.search(points[drawn], k + 1).rows
    others = brute_force(rows, rows[drawn], k + 1)[:, 1:]
    assert said["self_recall"] < 0.9
    assert said["recall"] == pytest.approx(
        np.mean([np.isin(f, o).sum() / k for f, o in zip(found, others, strict=True)])
    )


def test_texts_do_not_go_into_an_index_of_images(rows):
    index = build_index(Embeddings(rows[:50], STAMP, "image"))
    with pytest.raises(InputError, match="add: expected image rows, as in this index, got text"):
        index.add(Embeddings(rows[50:60], STAMP, "text"))
    assert len(index) == 50
    index.add(Embeddings(rows[50:60], STAMP, "prior"))
    assert len(index) == 60


def test_a_kind_is_named_in_any_case(rng):
    x = rng.normal(size=(800, 16))
    for name, factory in (("flat", "Flat"), ("HNSW", "HNSW32,Flat"), ("hnsw", "HNSW32,Flat"), ("ivf", "IVF16,SQfp16")):
        assert build_index(x, kind=name, recall=0.5, threads=1).facts["kind"] == factory
    with pytest.raises(InputError, match=r"'flat', 'hnsw', 'ivf' or 'trial', .* got 'annoy'"):
        build_index(x, kind="annoy")
