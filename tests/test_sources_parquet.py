import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from sourced import png, read, write_table

from clipspace.sources import open_source


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
