import os
import signal
from functools import partial

import numpy as np
import pytest

from clipspace.errors import InputError
from clipspace.parallel import each
from clipspace.points import arrays, moments
from clipspace.points.embeddings import Embeddings, Stamp
from clipspace.points.pca import PCA
from clipspace.points.store import write_store
from clipspace.search import Kind, build_index, building, list_kind

D = 16
RAY = {"engine": "ray", "workers": 2}
KINDS = {"Flat": Kind("Flat", 0), "lists": list_kind(3000, D), "graph": Kind("HNSW16,Flat", 0, "efSearch", (64, 128))}


class Part:
    """Rows whose reader is killed in the midst of them, the first time, where there is a marker to tell by."""

    def __init__(self, vectors, marker=None):
        self.vectors, self.marker, self.dim = vectors, marker, vectors.shape[1]

    def __len__(self):
        return len(self.vectors)

    def blocks(self, rows):
        yield self.vectors[:5]
        if self.marker is not None and not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        yield self.vectors[5:]


class Parts(Part):
    """A set in five parts. Only the third kills, and only the worker that reads it."""

    stamp, modality, hash = None, "image", None

    @property
    def names(self):
        return list(map(str, range(len(self))))

    def parts(self, rows):
        for i, part in enumerate(np.array_split(self.vectors, 5)):
            yield Part(part, self.marker if i == 2 else None)

    def blocks(self, rows):
        yield self.vectors


@pytest.fixture
def rows(rng):
    return (rng.normal(size=(3000, D)) * np.arange(1, D + 1) ** -0.5 + 0.2).astype(np.float32)


@pytest.fixture
def store(rows, tmp_path):
    points = Embeddings(rows, Stamp("a", "0" * 64, "1" * 64, D), names=[f"row {i}" for i in range(len(rows))])
    return write_store(tmp_path / "store", [points[i : i + 400] for i in range(0, len(rows), 400)])


def tree(index, folder):
    index.save(folder)
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_results_come_in_the_order_of_the_items():
    assert list(each(divmod, [(7,), (9,)], 2)) == [(3, 1), (4, 1)]
    with pytest.raises(InputError, match="'local' or 'ray', got 'spark'"):
        next(each(divmod, [(7,)], 2, engine="spark"))
    with pytest.raises(InputError, match="'spark'"):
        PCA(engine="spark").fit(np.eye(3))
    with pytest.raises(InputError, match="'spark'"):
        build_index(np.eye(3), engine="spark")


@pytest.mark.slow
def test_ray_keeps_the_order_and_the_errors(ray, rows):
    assert list(each(_scaled, [(i,) for i in range(9)], rows, **RAY)) == [i * rows.sum() for i in range(9)]
    bad = np.ones((8, 3))
    bad[5, 1] = np.nan
    with pytest.raises(InputError, match=r"^expected finite vectors.*row 5 "):
        PCA(**RAY).fit(bad)


@pytest.mark.slow
def test_tasks_run_on_both_nodes(ray, rows):
    nodes = set(each(_node, [(i,) for i in range(8)], engine="ray", workers=2))
    assert len(nodes) == 2


@pytest.fixture
def many_parts(monkeypatch):
    """Parts of 700 rows, so that a small set has several."""
    for module in (moments, building):
        monkeypatch.setattr(module, "parts", partial(arrays.parts, rows=700))


@pytest.mark.slow
@pytest.mark.parametrize("source", ["store", "array"])
def test_workers_give_the_same_pca(ray, many_parts, rows, store, source):
    points = store if source == "store" else rows
    here, there = PCA(normalize=True).fit(points), PCA(normalize=True, **RAY).fit(points)
    assert there.n_samples_seen_ == 3000
    assert np.allclose(there.moments_.scatter, here.moments_.scatter, rtol=1e-6, atol=1e-6)
    assert np.allclose(there.components_, here.components_, atol=1e-5)
    assert there.stamp_ == here.stamp_


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_workers_give_the_same_index(ray, many_parts, store, rows, tmp_path, kind):
    how = {"kind": KINDS[kind], "recall": 0.9, "threads": 1}
    here, there = build_index(store, **how), build_index(store, **how, **RAY)
    assert tree(here, tmp_path / "here") == tree(there, tmp_path / "there")
    assert there.verify(store, queries=200, recall=0.85)["self_recall"] > 0.95
    assert there.search(rows[:1], 1)[0].names == ["row 0"]


@pytest.mark.slow
def test_a_killed_worker_costs_its_part_alone(ray, rows, tmp_path):
    for work in (_scatter, _lists):
        marker = tmp_path / work.__name__
        assert np.array_equal(work(Parts(rows)), work(Parts(rows, marker)))
        assert marker.exists()


def _scaled(i, rows):
    return i * rows.sum()


def _node(i):
    import time

    import ray

    time.sleep(0.3)  # so that one node has no time for all
    return ray.get_runtime_context().get_node_id()


def _scatter(points):
    return PCA(normalize=False, **RAY).fit(points).moments_.scatter


def _lists(points):
    found = build_index(points, kind=KINDS["lists"], recall=0.5, threads=1, **RAY).search(points.vectors, 10)
    return np.concatenate([found.rows, found.cosines], axis=1)
