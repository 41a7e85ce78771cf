import io

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from sourced import png, read, write_table

from clipspace.sources import open_source, parquet


@pytest.mark.parametrize("layout", ["hugging face", "bytes", "paths", "null bytes"])
def test_parquet_columns_are_found(tmp_path, layout):
    (tmp_path / "a.png").write_bytes(png())
    images = {
        "hugging face": [{"bytes": png(), "path": "a.png"}],
        "bytes": [png()],
        "paths": ["a.png"],
        "null bytes": [{"bytes": None, "path": "a.png"}],
    }[layout]
    name = "image_path" if layout == "paths" else "image"
    table = pyarrow.table({"label": [5], name: images * 1, "text": ["a word"]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    [(row, data, caption, columns)] = read(open_source(tmp_path / "a.parquet"))
    assert row == ("a.parquet:0" if layout == "bytes" else "a.png")
    assert data == png()
    assert caption == "a word"
    assert columns == {"label": 5}


def test_parquet_parts_are_whole_row_groups_in_order(tmp_path):
    table = pyarrow.table({"image": [bytes([i]) for i in range(10)]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet", row_group_size=3)
    source = open_source(tmp_path, rows_per_part=7)
    assert [part.rows for part in source.parts] == [6, 4]
    assert [row[1] for row in read(source)] == [bytes([i]) for i in range(10)]


def test_bad_parquet_is_recorded_row_by_row(tmp_path):
    rng = np.random.default_rng(0)
    images = [rng.bytes(2000) for _ in range(8)] + [None]
    pyarrow.parquet.write_table(pyarrow.table({"image": images}), tmp_path / "a.parquet", row_group_size=4)
    raw = bytearray((tmp_path / "a.parquet").read_bytes())
    start = pyarrow.parquet.read_metadata(tmp_path / "a.parquet").row_group(1).column(0).data_page_offset
    raw[start : start + 40] = bytes(40)
    (tmp_path / "a.parquet").write_bytes(raw)
    (tmp_path / "b.parquet").write_bytes(b"PAR1 not at all")
    rows = read(open_source(tmp_path))
    assert [row[1] for row in rows[:4]] == images[:4]
    assert rows[4:] == [
        *[(f"a.parquet:{i}", "corrupt") for i in range(4, 8)],
        ("a.parquet:8", "empty"),
        ("b.parquet", "unreadable"),
    ]


def test_other_columns_are_another_input(tmp_path):
    write_table(tmp_path / "t.parquet", image=[b"a"], other=[b"b"], caption=["one"], title=["two"])
    usual = open_source(tmp_path / "t.parquet").digest
    same = open_source(tmp_path / "t.parquet", image_column="image", caption_column="caption").digest
    others = [
        {"image_column": "other"},
        {"caption_column": "title"},
        {"image_column": "other", "caption_column": "title"},
    ]
    assert same == usual
    assert len({usual, *(open_source(tmp_path / "t.parquet", **how).digest for how in others)}) == 4


def test_paths_in_nested_tables_are_named_as_they_are_found(tmp_path):
    for i in range(2):
        write_table(tmp_path / f"{i}/t.parquet", image_path=["a.png"])
        (tmp_path / f"{i}/a.png").write_bytes(b"%d" % i)
    assert [row[:2] for row in read(open_source(tmp_path, kind="parquet"))] == [("0/a.png", b"0"), ("1/a.png", b"1")]


class _Watched(io.BytesIO):
    """A file that knows the largest piece that was read of it."""

    most = 0

    def read(self, size=-1):
        _Watched.most = max(_Watched.most, len(self.getvalue()) if size is None or size < 0 else size)
        return super().read(size)


@pytest.mark.parametrize("damage", [False, True])
def test_a_row_group_is_read_in_pieces_however_large(tmp_path, monkeypatch, damage):
    rng, path = np.random.default_rng(0), tmp_path / "a.parquet"
    images = [png() + rng.bytes(100_000) for _ in range(120)]
    table = pyarrow.table({"image": images, "path": [f"{i}.png" for i in range(120)]})
    pyarrow.parquet.write_table(table, path, write_batch_size=4, use_dictionary=False)
    data = bytearray(path.read_bytes())
    if damage:
        start = pyarrow.parquet.read_metadata(path).row_group(0).column(1).data_page_offset
        data[start : start + 40] = bytes(40)
    monkeypatch.setattr(_Watched, "most", 0)
    monkeypatch.setattr(parquet, "open_file", lambda path: _Watched(data))
    rows = [row for part in open_source(path).parts for row in part.open()]
    assert [row.read().data for row in rows] == images
    assert _Watched.most < 3e6 < len(data)


def test_a_store_that_0_1_began_does_not_go_on_with_another_column(tmp_path):
    """0.1 took the first column of bytes, and named no column in its parts."""
    write_table(tmp_path / "a.parquet", mask=[b"m"], image=[png()])
    write_table(tmp_path / "b.parquet", image=[png()], mask=[b"m"])
    [a], [b] = (open_source(tmp_path / f"{name}.parquet").parts for name in "ab")
    [masks] = open_source(tmp_path / "a.parquet", image_column="mask").parts
    size_a, size_b = ((tmp_path / f"{name}.parquet").stat().st_size for name in "ab")
    assert [part.name for part in (a, masks, b)] == [
        f"a.parquet:{size_a}:0:image:None", f"a.parquet:{size_a}:0", f"b.parquet:{size_b}:0",
    ]  # fmt: skip
