"""A report of a store with columns that no page can show, of folders that cannot be written, of sources that do not match."""

import datetime as dt
import warnings

import numpy as np
import pytest
from packed import Payload

from clipspace.errors import InputError
from clipspace.points.embeddings import Embeddings
from clipspace.points.store import write_store
from clipspace.report import building, write_report

_ROWS = 40


@pytest.fixture
def store(space, tmp_path, rng):
    columns = {
        "tags": [["a", "b"]] * _ROWS,
        "box": [{"x": i} for i in range(_ROWS)],
        "raw": [b"\xff\x00"] * _ROWS,
        "day": [dt.date(2026, 11, 1 + i % 28) for i in range(_ROWS)],
        "novel": ["word " * 50_000] * _ROWS,
        "label": [i % 3 for i in range(_ROWS)],
    }
    vectors = rng.normal(size=(_ROWS, space.stamp.dim)).astype(np.float32)
    return write_store(tmp_path / "store", Embeddings(vectors, space.stamp, columns=columns)).path


@pytest.mark.filterwarnings("ignore:geometry")
def test_lists_structs_and_bytes_are_left_out_with_a_warning_before_work_starts(store, tmp_path, monkeypatch):
    begun = []
    load = building.load_space
    monkeypatch.setattr(building, "load_space", lambda *a, **k: begun.append(len(seen)) or load(*a, **k))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        page = write_report(tmp_path / "out", store=store, only=["spectrum"], device="cpu")
    said = [str(one.message) for one in seen[: begun[0]] if "left out the columns" in str(one.message)]
    assert len(said) == 1
    for column in ("'tags' (list<", "'box' (struct<", "'raw' (binary)"):
        assert column in said[0]
    text = page.read_text()
    options = text[text.index('id="explorer-colour"') :].split("</select>")[0]
    assert [name for name in ("day", "label", "novel", "tags", "box", "raw") if f">{name}<" in options] == [
        "day",
        "label",
        "novel",
    ]
    assert "Computed on 40 rows of store store (mini)." in text
    shown = " ".join([text, *_packed_texts(Payload(text))])
    assert "word " * 50 in shown
    assert "word " * 100 not in shown


def _packed_texts(page):
    """All texts that a page carries packed, wherever its description names them."""
    waiting, found = [page.data], []
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict) and {"lengths", "bytes"} <= set(part):
            found += page.texts(part)
        elif isinstance(part, dict | list):
            waiting += part.values() if isinstance(part, dict) else part
    return found


def test_a_folder_that_cannot_be_written_is_refused_before_a_model_is_loaded(store, tmp_path, monkeypatch):
    monkeypatch.setattr(building, "load_space", lambda *_, **__: pytest.fail("loaded a space"))
    (tmp_path / "out").mkdir()
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(InputError, match="cannot be written"):
        write_report(tmp_path / "out", store=store)


def test_a_source_of_other_images_is_refused_before_a_model_is_loaded(store, tmp_path, apple, monkeypatch):
    monkeypatch.setattr(building, "load_space", lambda *_, **__: pytest.fail("loaded a space"))
    (tmp_path / "photos").mkdir()
    apple.save(tmp_path / "photos/stranger.png")
    with pytest.raises(InputError, match="give what was encoded"):
        write_report(tmp_path / "out", store=store, source=tmp_path / "photos")


@pytest.mark.filterwarnings("ignore:report. left out")
def test_a_page_is_written_though_its_explorer_fails(store, tmp_path, monkeypatch):
    monkeypatch.setattr(building, "atlas", lambda *_, **__: 1 / 0)
    with pytest.warns(UserWarning, match="explorer: not computed: ZeroDivisionError"):
        page = write_report(tmp_path / "out", store=store, only=["spectrum", "binding"], device="cpu")
    assert "Left out" in page.read_text()
