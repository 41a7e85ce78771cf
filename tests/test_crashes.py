"""Every operation on files fails once, or the power is cut there: nothing acknowledged is lost, doubled or half."""

import sys
from dataclasses import dataclass
from functools import partial

import damaged
import numpy as np
import pytest
from crashing import cut_everywhere, fail_everywhere, put_back, tree, visible
from PIL import Image

from clipspace.errors import ClipspaceError
from clipspace.points.embeddings import Embeddings, Stamp
from clipspace.points.pca import PCA
from clipspace.points.store import append, export, merge, open_store, select, write_store
from clipspace.report.page import Section, write_page
from clipspace.results.loading import load_result
from clipspace.results.result import Result
from clipspace.search import build_index, open_index
from clipspace.search.maps import load_map, pca_map
from clipspace.space.encoding import encode

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what a handle is of is read from /proc")
STAMP = Stamp(model="stub", weights="0" * 16, preprocess="0" * 16, dim=4)


def points(first, n=3):
    vectors = np.random.default_rng(first).normal(size=(n, 4)).astype(np.float32)
    names = [f"row {first + i}" for i in range(n)]
    return Embeddings(vectors, STAMP, "image", names, {"label": [first] * n})


@dataclass
class Work:
    """``act`` on a folder that ``begin`` filled; ``read`` tells what a reader finds there. ``again``: calling it twice is once."""

    begin: callable
    act: callable
    read: callable
    again: bool = True


def rows_of(folder):
    """Names and vectors of a store, each of which must be whole: the sums of all files are compared."""
    opened = open_store(folder)
    opened.verify()
    return [(name, vector.tobytes()) for name, vector in zip(opened.names, opened[:].vectors, strict=True)]


def images(root):
    (root / "in").mkdir()
    for i in range(5):
        Image.new("RGB", (8, 8), damaged.color(i)).save(root / f"in/{i}.png")
    (root / "in/5.png").write_bytes(b"no image")


ENCODING = {"rows_per_shard": 3, "batch_size": 2, "workers": 1}


def encoded(root, **options):
    return encode(damaged.stub_space(), root / "in", root / "out", **ENCODING, **options)


def with_one_missing(root):
    """A finished store, for one image of which there was no memory then."""
    images(root)
    space = damaged.stub_space()
    prepare, missing = space.encoder.prepare, damaged.color(4)

    def short_of_memory(image):
        if image.getpixel((0, 0)) == missing:
            raise MemoryError
        return prepare(image)

    space.encoder.prepare = short_of_memory
    encode(space, root / "in", root / "out", **ENCODING)


def result(seed):
    return Result("scores", [{"factor": "color", "value": seed / 3}], [f"{seed}."], {"draws": np.full(50, seed)})


def read_result(root):
    loaded = load_result(root / "scores.json")
    return loaded.to_json()


def save_both(root):
    export(select(open_store(root / "a")), root / "b")


WORKS = {
    "encode": Work(images, encoded, lambda root: rows_of(root / "out")),
    "write_store": Work(
        lambda root: None,
        lambda root: write_store(root / "out", iter([points(0), points(3)])),
        lambda root: rows_of(root / "out"),
        again=False,
    ),
    "append": Work(
        lambda root: write_store(root / "out", points(0)),
        lambda root: append(root / "out", points(3)),
        lambda root: rows_of(root / "out"),
        again=False,
    ),
    "merge": Work(
        lambda root: [write_store(root / name, points(i)) for i, name in enumerate("ab")],
        lambda root: merge([root / "a", root / "b"], root / "out"),
        lambda root: rows_of(root / "out"),
        again=False,
    ),
    "export": Work(
        lambda root: write_store(root / "a", points(0)), save_both, lambda root: rows_of(root / "b"), again=False
    ),
    "index": Work(
        lambda root: None,
        lambda root: build_index(points(0, 20), kind="flat", threads=1).save(root / "index", overwrite=True),
        lambda root: open_index(root / "index").search(points(0, 20), 2).rows.tolist(),
    ),
    "index replaced": Work(
        lambda root: build_index(points(9, 20), kind="flat", threads=1).save(root / "index"),
        lambda root: build_index(points(0, 20), kind="flat", threads=1).save(root / "index", overwrite=True),
        lambda root: open_index(root / "index").names_of(range(20)),
    ),
    "map": Work(
        lambda root: pca_map(points(9, 20)).save(root / "map.parquet"),
        lambda root: pca_map(points(0, 20)).save(root / "map.parquet", overwrite=True),
        lambda root: load_map(root / "map.parquet").names,
    ),
    "pca": Work(
        lambda root: PCA(2).fit(points(9, 20)).save(root / "pca.safetensors"),
        lambda root: PCA(2).fit(points(0, 20)).save(root / "pca.safetensors", overwrite=True),
        lambda root: PCA.load(root / "pca.safetensors").components_.tolist(),
    ),
    "result": Work(lambda root: result(9).save(root), lambda root: result(0).save(root), read_result),
    "page": Work(
        lambda root: (root / "index.html").write_text("before"),
        lambda root: write_page(root / "index.html", "A page", [Section("Title", "A question?")], overwrite=True),
        lambda root: (root / "index.html").read_text(),
    ),
}
LONGER = ("write_store", "merge", "export")
"""Work that writes shards as encode and append do, and takes longer."""
NAMES = [pytest.param(name, marks=[pytest.mark.slow] * (name in LONGER)) for name in WORKS]
REPLACED_IN_PARTS = ("result",)
"""Work that replaces several files: a reader may be told that they do not belong together."""


def read(work, root):
    try:
        return work.read(root)
    except ClipspaceError:
        return None
    except FileNotFoundError:
        return None


@pytest.fixture
def root(tmp_path):
    (tmp_path / "disk").mkdir()
    return tmp_path / "disk"


def outcomes(work, root, name):
    """What may be found at any time: what was there before, what is there after, and the files then."""
    work.begin(root)
    before, beginning = read(work, root), tree(root)
    work.act(root)
    after, files = read(work, root), visible(root)
    assert after is not None
    assert before != after
    put_back(root, beginning)
    return [before, after, *([None] if name in REPLACED_IN_PARTS else [])], after, files


def resumed(work, root, after, files):
    """The same work, done again where it was not finished, ends as if nothing had happened."""
    if work.again or read(work, root) != after:
        work.act(root)
    assert read(work, root) == after
    assert visible(root) == files


@pytest.mark.parametrize("name", NAMES)
def test_whatever_fails_nothing_is_lost_doubled_or_half(root, name, record_property):
    work = WORKS[name]
    allowed, after, files = outcomes(work, root, name)

    def judge():
        assert read(work, root) in allowed
        resumed(work, root, after, files)

    n = fail_everywhere(root, partial(work.act, root), judge)
    record_property("points", n)
    print(f"{name}: {n} operations failed")
    assert n >= 4


@pytest.mark.parametrize("name", NAMES)
def test_whenever_the_power_is_cut_nothing_is_lost_doubled_or_half(root, name, record_property):
    work = WORKS[name]
    allowed, after, files = outcomes(work, root, name)
    during, at_the_end = cut_everywhere(root, partial(work.act, root))
    for state in during:
        put_back(root, state)
        assert read(work, root) in allowed
        resumed(work, root, after, files)
    for state in at_the_end:  # it was acknowledged
        put_back(root, state)
        assert read(work, root) == after
    record_property("states", len(during) + len(at_the_end))
    print(f"{name}: {len(during)} states after a cut, {len(at_the_end)} after the end")


def test_a_retry_of_rows_never_mixes_two_tries(root):
    with_one_missing(root)
    before, beginning = rows_of(root / "out"), tree(root)
    encoded(root, retry_rejected=True)
    after, files = rows_of(root / "out"), visible(root)
    assert len(after) == len(before) + 1
    put_back(root, beginning)
    work = Work(None, partial(encoded, retry_rejected=True), lambda root: rows_of(root / "out"))

    def judge():
        assert read(work, root) in (before, after, None)  # None: a shard was begun anew, and the call again mends it
        resumed(work, root, after, files)

    assert fail_everywhere(root, partial(work.act, root), judge) > 10


def test_the_model_finds_what_is_not_synced(root, monkeypatch):
    """Without the sync before a file takes its place, a cut leaves it empty: the model sees it."""
    monkeypatch.setattr("clipspace.files.sync", lambda path: None)
    work = WORKS["page"]
    allowed, _, _ = outcomes(work, root, "page")
    during, at_the_end = cut_everywhere(root, partial(work.act, root))
    seen = []
    for state in [*during, *at_the_end]:
        put_back(root, state)
        seen.append(read(work, root))
    assert any(one not in allowed for one in seen)
