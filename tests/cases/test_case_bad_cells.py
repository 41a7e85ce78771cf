"""One bad cell, sidecar or file costs no more than itself, and is recorded."""

import gzip
import json
import tracemalloc
from datetime import datetime

import pandas
import pyarrow
import pyarrow.parquet
import pytest
from sourced import png, read, write_tar

from clipspace.errors import InputError
from clipspace.sources import Ignored, open_source
from clipspace.space.encoding import encode

UTF16 = "ein Bär".encode("utf-16")


def latin(n: int, at: int) -> pyarrow.Array:
    """Texts of which one is not UTF-8, as files of other programs hold them."""
    cells = [f"text {i}".encode() for i in range(n)]
    cells[at] = "Bär".encode("latin-1")
    binary = pyarrow.array(cells, pyarrow.binary())
    return pyarrow.Array.from_buffers(pyarrow.string(), n, binary.buffers())


def table(path, rows_in_group=None, **columns):
    pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=rows_in_group)
    return path


def ignored(source) -> int:
    return source.ignored + sum(r.files for part in source.parts for r in part.open() if isinstance(r, Ignored))


def test_text_in_latin_1_costs_its_cell(tmp_path):
    images = [b"%d" % i for i in range(1000)]
    rows = read(open_source(table(tmp_path / "t.parquet", image=images, note=latin(1000, 500))))
    assert [row[1] for row in rows] == images
    assert [row[3].get("note") for row in rows] == [f"text {i}" if i != 500 else None for i in range(1000)]
    faults = [i for i, row in enumerate(rows) if "sidecar_error" in row[3]]
    assert faults == [500]
    assert "note" in rows[500][3]["sidecar_error"]


def test_a_caption_in_latin_1_is_recorded_where_texts_are_encoded(space, tmp_path):
    path = table(tmp_path / "t.parquet", image=[png()] * 10, caption=latin(10, 5))
    assert encode(space, path, tmp_path / "images").stored == 10
    done = encode(space, path, tmp_path / "both", texts=True)
    assert (done.stored, done.rejected) == (9, {"broken caption": 1})
    [row] = pyarrow.parquet.read_table(tmp_path / "both/rejected").to_pylist()
    assert (row["name"], row["source_row"]) == ("t.parquet:5", None)
    assert "caption" in row["detail"]


def test_a_path_in_latin_1_costs_its_row(tmp_path):
    (tmp_path / "text 0").write_bytes(b"0")
    rows = read(open_source(table(tmp_path / "t.parquet", image_path=latin(3, 1))))
    assert [row[:2] for row in rows] == [("text 0", b"0"), ("t.parquet:1", "corrupt"), ("text 2", "unreadable")]


def test_a_timestamp_of_the_year_10000_costs_its_cell(tmp_path):
    seconds = [1_700_000_000] * 20
    seconds[7] = 253_402_300_800
    times = pyarrow.array(seconds, pyarrow.timestamp("s")).cast(pyarrow.timestamp("ms"))
    rows = read(open_source(table(tmp_path / "t.parquet", image=[b"a"] * 20, taken=times)))
    expected = datetime(2023, 11, 14, 22, 13, 20)
    assert [row[3]["taken"] for row in rows] == [expected] * 7 + [None] + [expected] * 12
    assert "taken" in rows[7][3]["sidecar_error"]


@pytest.mark.parametrize("broken", ["image", "other"])
def test_a_broken_page_costs_what_lies_on_it(tmp_path, rng, broken):
    """Of 300 rows in pages of 100, the middle page of one column is overwritten."""
    columns = {"image": [rng.bytes(200) for _ in range(300)], "other": [rng.bytes(200).hex() for _ in range(300)]}
    path = tmp_path / "t.parquet"
    pyarrow.parquet.write_table(
        pyarrow.table(columns), path, data_page_size=100 * 200, write_batch_size=100, use_dictionary=False
    )
    raw = bytearray(path.read_bytes())
    value = columns[broken][150]
    at = raw.find(value if broken == "image" else value.encode())
    if at < 0:
        pytest.skip("the values are compressed")
    chunk = pyarrow.parquet.read_metadata(path).row_group(0).column(list(columns).index(broken))
    raw[at - 4 : at + 4] = b"\xff" * 8  # the length of the value
    assert chunk.data_page_offset < at
    path.write_bytes(raw)
    rows = read(open_source(path))
    assert len(rows) == 300
    if broken == "image":
        good = [i for i, row in enumerate(rows) if len(row) == 4]
        assert good == list(range(len(good)))
        assert 100 <= len(good) <= 150
        assert {row[1] for row in rows[len(good) :]} == {"corrupt"}
        assert [row[1] for row in rows[: len(good)]] == columns["image"][: len(good)]
    else:
        assert [row[1] for row in rows] == columns["image"]
        assert [row[3]["other"] for row in rows[:100]] == columns["other"][:100]
        assert "sidecar_error" in rows[299][3]


def test_what_macos_writes_into_a_tar_is_ignored_and_counted(tmp_path):
    members = {
        "._000.jpg": b"\0\5\x16\7", "000.jpg": b"a", "._000.txt": b"\0\5\x16\7", "000.txt": b"a word",
        "__MACOSX/._000.jpg": b"", ".DS_Store": b"", "./in/1.jpg": b"b", "PaxHeaders.7/1.txt": b"", "./in/1.txt": b"two",
    }  # fmt: skip
    write_tar(tmp_path / "t.tar", members)
    source = open_source(tmp_path / "t.tar")
    assert read(source) == [("t.tar/000.jpg", b"a", "a word", {}), ("t.tar/./in/1.jpg", b"b", "two", {})]
    assert ignored(source) == 5


def test_what_was_ignored_in_a_tar_is_said_by_every_run(space, tmp_path):
    write_tar(tmp_path / "t.tar", {"._0.png": b"", "0.png": png()})
    for _ in range(2):
        done = encode(space, tmp_path / "t.tar", tmp_path / "out")
        assert (done.rows, done.stored, done.ignored) == (1, 1, 1)


def test_what_macos_writes_into_a_folder_is_ignored_and_counted(tmp_path):
    (tmp_path / "__MACOSX").mkdir()
    for name in ("._a.png", "a.png", "._a.txt", "a.txt", ".DS_Store", "__MACOSX/._a.png"):
        (tmp_path / name).write_bytes(b"a")
    source = open_source(tmp_path)
    assert (read(source), source.ignored) == ([("a.png", b"a", "a", {})], 4)


def test_what_macos_writes_beside_shards_is_no_shard(tmp_path):
    write_tar(tmp_path / "a.tar", {"0.png": b"a"})
    (tmp_path / "._a.tar").write_bytes(b"\0\5\x16\7")
    assert read(open_source(tmp_path)) == [("a.tar/0.png", b"a", None, {})]


@pytest.mark.parametrize("pressed", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_tars_written_one_after_the_other_are_all_read(tmp_path, pressed):
    for name in "ab":
        write_tar(tmp_path / f"{name}.tar", {f"{name}{i}.png": b"%d" % i for i in range(3)})
    both = b"".join(pressed((tmp_path / f"{name}.tar").read_bytes()) for name in "ab")
    (tmp_path / "both.tar").write_bytes(both)
    rows = read(open_source(tmp_path / "both.tar"))
    assert [row[0] for row in rows] == [f"both.tar/{name}{i}.png" for name in "ab" for i in range(3)]
    (tmp_path / "cut.tar").write_bytes(both[: -len(both) // 3])
    rows = read(open_source(tmp_path / "cut.tar"))
    assert [row[0] for row in rows[:3]] == ["cut.tar/a0.png", "cut.tar/a1.png", "cut.tar/a2.png"]
    assert rows[-1] == ("cut.tar", "truncated")


def test_what_follows_an_end_mark_and_is_no_tar_is_recorded(tmp_path):
    write_tar(tmp_path / "t.tar", {"0.png": b"a"})
    with (tmp_path / "t.tar").open("ab") as file:
        file.write(b"something else" * 100)
    assert [row[:2] for row in read(open_source(tmp_path / "t.tar"))] == [("t.tar/0.png", b"a"), ("t.tar", "truncated")]


NO_TEXTS = ["NaN", '["a", "b"]', "true", "3", "2.5", '{"deep": "a"}']


@pytest.mark.parametrize("value", NO_TEXTS)
def test_a_caption_that_is_no_text_is_recorded_and_never_encoded(space, tmp_path, value):
    (tmp_path / "in").mkdir()
    for name in "ab":
        (tmp_path / f"in/{name}.png").write_bytes(png())
        (tmp_path / f"in/{name}.json").write_text('{"caption": "a word", "label": 1}')
    (tmp_path / "in/b.json").write_text(f'{{"caption": {value}, "label": 2}}')
    _, bad = read(open_source(tmp_path / "in"))
    assert (bad[1], bad[2], bad[3]["label"]) == (png(), None, 2)
    done = encode(space, tmp_path / "in", tmp_path / "out", texts=True)
    assert (done.stored, sum(done.rejected.values())) == (1, 1)


def test_a_missing_caption_of_pandas_is_recorded_and_never_encoded(tmp_path):
    for name, values in {"float": [float("nan")] * 2, "int": [1, 2], "bool": [True, False]}.items():
        table(tmp_path / f"{name}.parquet", image=[b"a", b"b"], caption=values)
        rows = read(open_source(tmp_path / f"{name}.parquet"))
        assert [row[2] for row in rows] == [None, None]
        assert all("caption" in row[3]["sidecar_error"] for row in rows)
    frame = pandas.DataFrame({"image": [b"a", b"b"], "caption": ["a word", None]})
    frame.to_parquet(tmp_path / "f.parquet")
    assert [row[2:] for row in read(open_source(tmp_path / "f.parquet"))] == [("a word", {}), (None, {})]


@pytest.mark.parametrize("broken", ["{broken", '["a", "list"]', '{"a": 1, "a": 2}', "[" * 100_000], ids=lambda b: b[:9])
@pytest.mark.parametrize("kind", ["folder", "tar"])
def test_a_caption_stays_beside_columns_that_are_broken(tmp_path, kind, broken):
    files = {"a.png": b"a", "a.txt": b"a word", "a.json": broken.encode()}
    if kind == "folder":
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        [(_, data, caption, columns)] = read(open_source(tmp_path))
    else:
        write_tar(tmp_path / "t.tar", files)
        [(_, data, caption, columns)] = read(open_source(tmp_path / "t.tar"))
    assert (data, caption, list(columns)) == (b"a", "a word", ["sidecar_error"])


def test_columns_stay_beside_a_caption_that_is_broken(tmp_path):
    for name, content in {"a.png": b"a", "a.txt": b"\xff\xfe\xfa", "a.json": b'{"label": 1}'}.items():
        (tmp_path / name).write_bytes(content)
    [(_, data, caption, columns)] = read(open_source(tmp_path))
    assert (data, caption, columns["label"]) == (b"a", None, 1)
    assert "sidecar_error" in columns


def test_keys_of_a_tar_may_have_dots(tmp_path):
    # webdataset#237, #288: its keys end at the first dot, others' at the last
    members = {
        "1. a.b.jpg": b"1", "1. a.b.txt": b"one", "1. a.c.jpg": b"2", "1. a.c.txt": b"two",
        "2.seg.png": b"3", "2.rgb.png": b"4", "2.txt": b"both", "2.seg.json": b'{"of": "seg"}',
        "v1.0/3.jpg": b"5", "v1.0/3.txt": b"three",
        "4.jpg": b"6", "4.jpg.txt": b"four",
    }  # fmt: skip
    write_tar(tmp_path / "t.tar", members)
    assert [row[1:] for row in read(open_source(tmp_path / "t.tar"))] == [
        (b"1", "one", {}),
        (b"2", "two", {}),
        (b"3", "both", {"of": "seg"}),
        (b"4", "both", {}),
        (b"5", "three", {}),
        (b"6", "four", {}),
    ]


def test_many_keys_of_one_first_part_are_pairs_of_their_own_in_bounded_memory(tmp_path):
    members = {f"v1.{i:04d}{suffix}": b"%d" % i for i in range(700) for suffix in (".txt", ".jpg", ".cls")}
    write_tar(tmp_path / "t.tar", members)
    rows = read(open_source(tmp_path / "t.tar"))
    assert [row[1:] for row in rows] == [(b"%d" % i, str(i), {"cls": str(i)}) for i in range(700)]


def test_suffixes_pair_in_any_case(tmp_path):
    for name, content in {
        "A.JPG": b"a",
        "A.TXT": b"a word",
        "A.JSON": b'{"x": 1}',
        "b.png": b"b",
        "b.Txt": b"b",
    }.items():
        (tmp_path / name).write_bytes(content)
    source = open_source(tmp_path)
    assert read(source) == [("A.JPG", b"a", "a word", {"x": 1}), ("b.png", b"b", "b", {})]
    assert source.ignored == 0


def test_metadata_of_hugging_face_is_read_and_its_bad_lines_are_recorded(tmp_path):
    (tmp_path / "train/x").mkdir(parents=True)
    for name in ("a", "b", "x/c", "d"):
        (tmp_path / f"train/{name}.png").write_bytes(name.encode())
    lines = [
        {"file_name": "a.png", "text": "a word", "label": 1},
        {"file_name": "./x/c.png", "caption": "see", "objects": [1, 2]},
        {"file_name": "gone.png", "text": "of none"},
        {"file_name": "a.png", "text": "another"},
        {"text": "without a name"},
        {"file_name": "d.png", "text": 7},
    ]
    content = "\ufeff" + "\n".join([*map(json.dumps, lines), "{broken", ""])
    (tmp_path / "train/metadata.jsonl").write_text(content)
    (tmp_path / "train/b.txt").write_text("of its own")
    source = open_source(tmp_path)
    rows = {row[0]: row[1:] for row in read(source)}
    assert rows["train/a.png"] == (b"a", "a word", {"label": 1})
    assert rows["train/x/c.png"] == (b"x/c", "see", {"objects": "[1, 2]"})
    assert rows["train/b.png"] == (b"b", "of its own", {})
    assert rows["train/d.png"][1] is None
    assert "7" in rows["train/d.png"][2]["sidecar_error"]
    bad = {name for name, row in rows.items() if row == ("unreadable",)}
    assert bad == {f"train/metadata.jsonl:{line}" for line in (3, 4, 5, 7)}
    assert (source.rows, source.ignored) == (8, 0)


def test_metadata_as_a_table_is_read(tmp_path):
    (tmp_path / "a.png").write_bytes(b"a")
    (tmp_path / "b.png").write_bytes(b"b")
    (tmp_path / "metadata.csv").write_text('\ufefffile_name,text,label\na.png,"a word, or two",1\nb.png,b\n')
    a, b, bad = read(open_source(tmp_path))
    assert a == ("a.png", b"a", "a word, or two", {"label": "1"})
    assert b == ("b.png", b"b", None, {})
    assert bad == ("metadata.csv:3", "unreadable")


@pytest.mark.parametrize(
    ("content", "captions", "bad"),
    [
        ("file_name;caption\na.png;one\nb.png;two, or 2\n", ["one", "two, or 2", None], []),
        ("file_name,caption\na.png,one\nb.png," + "x" * 200_000 + "\nc.png,three\n", ["one", None, "three"], [3]),
        ('file_name,caption\na.png,one\nb.png,"two\nc.png,three\n', ["one", None, None], [4]),
        ('file_name,caption\na.png,"one\nb.png,two\nc.png,three\n', [None, None, None], [4]),
        ("file_name,caption\n.\\a.png,one\n", ["one", None, None], []),
    ],
    ids=["semicolons", "a value that is too long", "a quote that does not end", "no line is good", "a path of Windows"],
)
def test_a_line_of_a_table_costs_at_most_what_cannot_be_told_from_it(tmp_path, content, captions, bad):
    for name in "abc":
        (tmp_path / f"{name}.png").write_bytes(name.encode())
    (tmp_path / "metadata.csv").write_text(content)
    source = open_source(tmp_path)
    images, problems = read(source)[:3], read(source)[3:]
    assert [row[2] for row in images] == captions
    assert problems == [(f"metadata.csv:{line}", "unreadable") for line in bad]
    assert source.ignored == 0


def test_a_key_that_is_twice_in_a_line_of_metadata_is_recorded(tmp_path):
    (tmp_path / "a.png").write_bytes(b"a")
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "a.png", "label": 1, "label": 2}\n{"file_name": "b.png"}\n')
    (tmp_path / "b.png").write_bytes(b"b")
    rows = read(open_source(tmp_path))
    assert rows == [("a.png", b"a", None, {}), ("b.png", b"b", None, {}), ("metadata.jsonl:1", "unreadable")]


def test_tars_written_one_after_the_other_do_not_share_a_row(tmp_path):
    write_tar(tmp_path / "a.tar", {"0.jpg": b"a"})
    write_tar(tmp_path / "b.tar", {"0.cls": b"7", "0.jpg": b"b"})
    (tmp_path / "ab").mkdir()
    (tmp_path / "ab/t.tar").write_bytes((tmp_path / "a.tar").read_bytes() + (tmp_path / "b.tar").read_bytes())
    assert [row[1:] for row in read(open_source(tmp_path / "ab"))] == [(b"a", None, {}), (b"b", None, {"cls": "7"})]


def test_a_caption_of_many_images_is_that_of_all(tmp_path):
    write_tar(tmp_path / "t.tar", {"v1.txt": b"shared"} | {f"v1.{i}.jpg": b"%d" % i for i in range(600)})
    rows = read(open_source(tmp_path / "t.tar"))
    assert [row[1:] for row in rows] == [(b"%d" % i, "shared", {}) for i in range(600)]


def test_numbers_for_suffixes_are_read_in_bounded_memory(tmp_path):
    write_tar(tmp_path / "t.tar", {f"frame.{i:04d}": b"x" * 10_000 for i in range(2_000)})
    tracemalloc.start()
    for _ in open_source(tmp_path / "t.tar").parts[0].open():
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6  # of 20e6 in the file


def test_a_byte_order_mark_is_no_part_of_a_caption(tmp_path):
    (tmp_path / "in").mkdir()
    sides = {
        "a.txt": "\ufeffein Bär\r\n".encode(),
        "b.txt": UTF16,
        "c.json": '\ufeff{"caption": "\ufeffein Bär"}'.encode(),
    }
    for name, content in {**sides, "a.png": b"a", "b.png": b"b", "c.png": b"c"}.items():
        (tmp_path / "in" / name).write_bytes(content)
    table(tmp_path / "t.parquet", image=[b"a"], caption=["\ufeffein Bär"])
    write_tar(tmp_path / "t.tar", {"0.jpg": b"a", "0.txt": "\ufeffein Bär".encode(), "0.cls": "\ufeff7".encode()})
    captions = [row[2] for name in ("in", "t.parquet", "t.tar") for row in read(open_source(tmp_path / name))]
    assert captions == ["ein Bär"] * 5
    (tmp_path / "list.txt").write_text("\ufeffin/a.png\n")
    assert read(open_source(tmp_path / "list.txt")) == [("in/a.png", b"a", None, {})]


def test_the_column_of_images_is_found_by_what_it_holds(tmp_path):
    table(tmp_path / "a.parquet", hash=[b"\1\2", b"\3\4"], content=[None, png()])
    assert [row[1] for row in read(open_source(tmp_path / "a.parquet"))] == ["empty", png()]
    (tmp_path / "x.png").write_bytes(b"x")
    table(tmp_path / "b.parquet", hash=[b"\1\2"], image_path=["x.png"])
    assert [row[1] for row in read(open_source(tmp_path / "b.parquet"))] == [b"x"]
    table(tmp_path / "c.parquet", image=[png()], mask=[png("blue")])
    assert [row[1] for row in read(open_source(tmp_path / "c.parquet"))] == [png()]


def test_of_several_columns_of_images_one_is_asked_for(tmp_path):
    path = table(tmp_path / "t.parquet", left=[png()], right=[png("blue")], hash=[b"\1"])
    with pytest.raises(InputError, match=r"several that may be: \['left', 'right'\].*--image-column"):
        open_source(path)
    assert read(open_source(path, image_column="right"))[0][1] == png("blue")


@pytest.mark.parametrize("kind", ["categorical", "string_view", "large_string", "string"])
def test_paths_are_read_whatever_type_of_text_they_are(tmp_path, kind):
    (tmp_path / "a.png").write_bytes(b"a")
    if kind == "categorical":
        values = pandas.Series(["a.png", "a.png"], dtype="category")
        pandas.DataFrame({"image_path": values, "text": values}).to_parquet(tmp_path / "t.parquet")
    else:
        values = pyarrow.array(["a.png", "a.png"], getattr(pyarrow, kind)())
        table(tmp_path / "t.parquet", image_path=values, text=values)
    for asked in (None, "image_path"):
        rows = read(open_source(tmp_path / "t.parquet", image_column=asked))
        assert rows == [("a.png", b"a", "a.png", {})] * 2


def test_paths_that_are_numbers_are_refused_in_one_line(tmp_path):
    path = table(tmp_path / "t.parquet", image_path=[1, 2])
    for asked in (None, "image_path"):
        with pytest.raises(InputError, match=r"expected a column of images.*image_path \(int64\)") as error:
            open_source(path, image_column=asked)
        assert "\n" not in str(error.value)
