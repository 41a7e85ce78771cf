"""What users bring as files: each is read, or refused in one line that says what to do."""

import codecs

import numpy as np
import pandas as pd
import pyarrow
import pytest
from pyarrow import parquet

from clipspace.errors import InputError
from clipspace.points.interchange import texts_at, values_at
from clipspace.points.interchange.paths import split_name

WORDS = ["chat", "garçon", "naïve", "NA", "007"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path, content):
    path.write_bytes(content)
    return path


LINES = "\n".join(WORDS)


@pytest.mark.parametrize(
    "content",
    [
        LINES.encode(),
        (LINES + "\n").encode(),
        LINES.replace("\n", "\r\n").encode(),
        codecs.BOM_UTF8 + LINES.encode(),
        LINES.encode("utf-16"),
        codecs.BOM_UTF16_BE + LINES.encode("utf-16-be"),
        LINES.encode("utf-32"),
    ],
)
def test_lines_are_read_in_the_encoding_that_their_mark_says(folder, content):
    assert values_at(write(folder / "labels.txt", content)).tolist() == WORDS


@pytest.mark.parametrize(
    ("content", "message"),
    [(LINES.encode("latin-1"), "byte 0xe7 at 8"), (LINES.encode("utf-16-le")[:20], "UTF-16"), (b"a\0b", "UTF-16")],
)
def test_lines_in_another_encoding_are_refused(folder, content, message):
    with pytest.raises(InputError, match=message):
        values_at(write(folder / "labels.txt", content))


def test_a_line_ends_where_an_editor_ends_it(folder):
    assert values_at(write(folder / "labels.txt", "a\u2028b\nc\x0cd\n".encode())).tolist() == ["a\u2028b", "c\x0cd"]


@pytest.mark.parametrize("name", ["labels.csv", "labels.tsv", "labels.parquet", "labels.npy", "labels.npz"])
def test_a_single_column_or_array_need_not_be_named(folder, name):
    frame = pd.DataFrame({"kind": WORDS})
    {
        ".csv": lambda path: frame.to_csv(path, index=False),
        ".tsv": lambda path: frame.to_csv(path, index=False, sep="\t"),
        ".parquet": frame.to_parquet,
        ".npy": lambda path: np.save(path, WORDS),
        ".npz": lambda path: np.savez(path, kind=WORDS),
    }[folder.joinpath(name).suffix](folder / name)
    assert values_at(folder / name).tolist() == WORDS
    if "npy" not in name:
        assert values_at(folder / f"{name}:kind").tolist() == WORDS
        with pytest.raises(InputError, match=r"\['kind'\], got 'none'"):
            values_at(folder / f"{name}:none")


@pytest.mark.parametrize("separator", [",", ";"])
def test_a_column_of_several_is_named_or_their_names_are_said(folder, separator):
    frame = pd.DataFrame({"file": list("abcde"), "kind": WORDS, "price": [1.5, 2, 3, 4, 5]})
    frame.to_csv("t.csv", index=False, sep=separator)
    frame.to_parquet("t.parquet")
    for file in ("t.csv", "t.parquet"):
        assert values_at(folder / f"{file}:kind").tolist() == WORDS
        assert values_at(folder / f"{file}:price").astype(float).tolist() == frame["price"].tolist()
        with pytest.raises(InputError, match=rf"\['file', 'kind', 'price'\], got none named; give it as {file}:NAME"):
            values_at(folder / file)


def test_an_empty_cell_is_a_missing_value(folder):
    write(folder / "t.csv", b"a,b\nx,1\n,2\nz\n")
    assert values_at(folder / "t.csv:a").tolist() == ["x", None, "z"]
    assert values_at(folder / "t.csv:b").tolist() == ["1", "2", None]
    with pytest.raises(InputError, match="expected a text in every row, got None in row 1"):
        texts_at(folder / "t.csv:a")


def test_categories_and_missing_values_of_parquet_are_read(folder):
    pd.DataFrame({"kind": pd.Categorical(["b", None, "a"])}).to_parquet("t.parquet")
    assert values_at(folder / "t.parquet").tolist() == ["b", None, "a"]
    pd.DataFrame({"kind": [[1], [2]]}).to_parquet("lists.parquet")
    with pytest.raises(InputError, match="expected one value a row in 'kind'"):
        values_at(folder / "lists.parquet")


def test_a_colon_in_a_name_that_is_there_is_part_of_it(folder):
    write(folder / "a:b.csv", b"kind\nx\n")
    assert split_name(folder / "a:b.csv") == (folder / "a:b.csv", None)
    assert values_at(folder / "a:b.csv").tolist() == ["x"]
    assert values_at(folder / "a:b.csv:kind").tolist() == ["x"]
    assert split_name(folder / "kind") == (folder / "kind", None)


@pytest.mark.parametrize(
    ("content", "values"),
    [
        (b"label\ncat\n\ndog\n", ["cat", None, "dog"]),
        (b"name,label\n\na,cat\nb\n", ["cat", None]),
        (b"name,label\na,cat,\nb,dog,\n", ["cat", "dog"]),
        (b",label\r\n0,cat\r\n1,dog\r\n", ["cat", "dog"]),
    ],
    ids=["an empty cell", "a short row", "a separator at the end", "a column without a name"],
)
def test_rows_of_a_table_keep_their_places(folder, content, values):
    write(folder / "a.csv", content)
    name = "" if b"," not in content else ":label"
    assert values_at(folder / f"a.csv{name}").tolist() == values


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"name,label\na,cat,big\nb,dog,small\n", "expected 2 values a row, got 3 in line 2"),
        (b"label,label\n1,2\n", "different names, got .'label'. twice"),
        (b'name,label\na,"cat\nb,dog\n', "unexpected end of data"),
    ],
)
def test_a_table_whose_cells_cannot_be_told_is_refused(folder, content, what):
    write(folder / "a.csv", content)
    with pytest.raises(InputError, match=what):
        values_at(folder / "a.csv:label")


def test_a_column_of_parquet_that_cannot_be_read_is_refused(folder):
    cells = pyarrow.array([b"B\xe4r"], pyarrow.binary())
    latin = pyarrow.Array.from_buffers(pyarrow.string(), 1, cells.buffers())
    late = pyarrow.array([253402300800000000], pyarrow.timestamp("us"))
    parquet.write_table(pyarrow.table({"latin": latin, "late": late}), "a.parquet")
    parquet.write_table(pyarrow.Table.from_arrays([latin, late], ["x", "x"]), "b.parquet")
    for name in ("latin", "late"):
        with pytest.raises(InputError, match=f"expected values that can be read in '{name}'"):
            values_at(folder / f"a.parquet:{name}")
    with pytest.raises(InputError, match=r"'x'.* twice"):
        values_at(folder / "b.parquet:x")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_that_names_the_rows_is_matched_by_name_in_whatever_order(folder, ending):
    table = pd.DataFrame({"file": ["c.png", "gone.png", "a.png", "b.png"], "kind": ["cat", "none", "ant", "bee"]})
    getattr(table, f"to_{ending}")(f"t.{ending}", index=False)
    path = folder / f"t.{ending}:kind"
    assert list(values_at(path, ["a.png", "b.png", "c.png"])) == ["ant", "bee", "cat"]
    assert texts_at(path, ["b.png", "a.png"]) == ["bee", "ant"]
    assert list(values_at(path)) == ["cat", "none", "ant", "bee"]


@pytest.mark.parametrize("names", [["a.png", "other.png"], ["a.png", "a.png"], ["b.png", "c.png"], None])
def test_a_table_that_does_not_tell_the_rows_apart_is_taken_row_by_row(folder, names):
    pd.DataFrame({"file": ["b.png", "a.png", "b.png"], "kind": ["x", "y", "z"]}).to_csv("t.csv", index=False)
    assert list(values_at(folder / "t.csv:kind", names)) == ["x", "y", "z"]
