"""Columns of a store as plain values: what can be shown is, and what cannot is named."""

import datetime as dt
import decimal
import warnings

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipspace.points.store import open_store
from clipspace.points.store.showing import LONGEST, plain_columns

N = 6


def stored(folder, **columns):
    (folder / "img_emb").mkdir(parents=True)
    np.save(folder / "img_emb/img_emb_0.npy", np.eye(N, 8, dtype=np.float32))
    (folder / "metadata").mkdir()
    pq.write_table(pa.table(columns), folder / "metadata/metadata_0.parquet")
    return open_store(folder)


def test_texts_numbers_and_dates_are_plain(tmp_path):
    days = [dt.date(2026, 11, day + 1) for day in range(N)]
    store = stored(
        tmp_path / "store",
        day=pa.array(days),
        time=pa.array([dt.datetime(2026, 11, 1, hour) for hour in range(N)], pa.timestamp("ns")),
        price=pa.array([decimal.Decimal(i) / 4 for i in range(N)], pa.decimal128(5, 2)),
        kind=pa.array(list("ababab")).dictionary_encode(),
        label=pa.array([0, 1, None, 3, 4, 5], pa.int8()),
        novel=["word " * 100_000] * N,
        seen=[True, False] * 3,
        nothing=pa.nulls(N),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = plain_columns(store, np.array([1, 2, 5]))
    assert found["day"] == ["2026-11-02", "2026-11-03", "2026-11-06"]
    assert found["time"][0].startswith("2026-11-01 01:00:00")
    assert found["price"] == [0.25, 0.5, 1.25]
    assert found["kind"] == ["b", "a", "b"]
    assert found["label"] == [1, None, 5]
    assert [len(text) for text in found["novel"]] == [LONGEST] * 3
    assert found["seen"] == [False, True, False]
    assert found["nothing"] == [None] * 3


def test_what_cannot_be_shown_is_named(tmp_path):
    far = pa.array([253_402_300_800_000_000] * N, pa.timestamp("us"))  # the year 10000, which Python has no date for
    store = stored(
        tmp_path / "store",
        tags=[["a", "b"]] * N,
        box=[{"x": 1}] * N,
        raw=[b"\xff"] * N,
        far=far,
        word=list("abcdef"),
    )
    with pytest.warns(UserWarning, match="left out the columns") as warned:
        found = plain_columns(store, np.arange(N))
    assert found["word"] == list("abcdef")
    assert found["far"][0].startswith("10000-01-01")
    assert not {"tags", "box", "raw"} & set(found)
    for name in ("'tags' (list", "'box' (struct", "'raw' (binary)"):
        assert name in str(warned[0].message)
