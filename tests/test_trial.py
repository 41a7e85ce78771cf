"""The trial of kinds: each is tried on rows of the user's own, the fastest that finds enough wins, and the table is kept."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from command_line import run

from clipspace import build_index, open_index
from clipspace.errors import InputError
from clipspace.points.arrays import as_points
from clipspace.search import trial
from clipspace.search.kinds import kind_named, kinds_to_try


@pytest.fixture
def x(rng):
    centres = rng.normal(size=(60, 16))
    return (centres[rng.integers(60, size=4400)] + 0.5 * rng.normal(size=(4400, 16))).astype(np.float32)


def test_every_kind_is_tried_and_the_one_built_finds_what_it_promised(x, tmp_path):
    index = build_index(x, kind="trial", recall=0.9, threads=1)
    kinds = index.facts["trial"]["kinds"]
    assert [row["kind"] for row in kinds] == [kind.factory for kind in kinds_to_try(4000, 16)]
    fastest = min((row for row in kinds if row["recall"] >= 0.9), key=lambda row: row["query"])
    assert index.facts["kind"] in {
        full.factory for full, tried in zip(kinds_to_try(4400, 16), kinds, strict=True) if tried is fastest
    }
    assert index.verify(x, recall=0.85)["recall"] >= 0.85
    index.save(tmp_path / "index")
    for mapped in (False, True):
        opened = open_index(tmp_path / "index", mmap=mapped)
        assert opened.facts["trial"] == index.facts["trial"]
        assert np.array_equal(opened.search(x[:50], 5).rows, index.search(x[:50], 5).rows)


@pytest.mark.parametrize("kind", kinds_to_try(4400, 16))
def test_each_kind_that_may_win_can_be_built_saved_and_searched(x, tmp_path, kind):
    build_index(x, kind=kind, recall=0.9, threads=1).save(tmp_path / "index")
    opened = open_index(tmp_path / "index", mmap=True)
    near = opened.search(x[:50], 1)
    assert near.rows[:, 0].tolist() == list(range(50))
    assert np.allclose(near.cosines, 1, atol=2e-3)
    assert opened.range_search(x[:1], 0.99)[0].rows[0] == 0


def test_the_fastest_that_finds_enough_wins_and_memory_is_kept_to(x, monkeypatch):
    """Made times: the third kind is fastest but finds too little, the last is next."""
    queries, recalls = iter([5.0, 3.0, 1.0, 4.0, 2.0]), iter([1.0, 0.97, 0.9, 0.96, 0.95])
    tried = []
    monkeypatch.setattr(
        trial, "_try", lambda kind, *_, **__: tried.append(kind) or {"query": next(queries), "recall": next(recalls)}
    )
    assert trial.fastest_kind(as_points(x), threads=1)[0] == kinds_to_try(4400, 16)[-1]
    least = min(kind.bytes for kind in kinds_to_try(4400, 16))
    tried.clear()
    monkeypatch.setattr(trial, "_try", lambda kind, *_, **__: tried.append(kind) or {"query": 1.0, "recall": 1.0})
    assert trial.fastest_kind(as_points(x), memory=least, threads=1)[0].bytes == least
    assert len(tried) == 1
    with pytest.raises(InputError, match="expected a memory that a kind fits"):
        trial.fastest_kind(as_points(x), memory=10, threads=1)


def test_the_time_is_bounded(x, monkeypatch):
    clock = iter(np.arange(0, 1e6, 50.0))
    monkeypatch.setattr(trial, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    monkeypatch.setattr(trial, "_try", lambda *_, **__: {"query": 1.0, "recall": 1.0})
    assert len(trial.fastest_kind(as_points(x), threads=1)[1]["kinds"]) == 3


def test_too_few_rows_are_refused(x):
    with pytest.raises(InputError, match="at least 4000 rows for a trial, got 300"):
        build_index(x[:300], kind="trial")
    assert kind_named("hnsw", 10, 4).settings[0] == 10


def test_the_command_shows_the_table(x, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", x)
    assert run("index", "x.npy", "-o", "index", "--trial", "--threads", "1") == 0
    shown = capsys.readouterr().out
    assert "5 kinds tried on 4,000 rows" in shown
    assert json.loads((tmp_path / "index" / "image.json").read_text())["trial"]["kinds"]
