import io
import json
import os

import pyarrow
import pyarrow.parquet
import pytest
from sourced import png, read, write_table, write_tar

from clipspace.errors import InputError
from clipspace.sources import open_source, read_named


def test_a_nested_folder_gives_the_right_pairs(tmp_path):
    # clip-retrieval#352: keys there keep the file extension, so image and caption never meet
    for folder in ("a", "a/b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.jpg").write_bytes(folder.encode())
        (tmp_path / folder / "x.txt").write_text(f"caption of {folder}\n")
    (tmp_path / "a/x.png").write_bytes(b"same stem")
    (tmp_path / "a/alone.PNG").write_bytes(b"alone")
    (tmp_path / "a/x.json").write_text('{"label": 3, "deep": {"er": [1]}, "caption": "not this"}')
    (tmp_path / "a/notes.md").write_text("")
    (tmp_path / "a/orphan.txt").write_text("a caption without an image")
    source = open_source(tmp_path)
    columns = {"label": 3, "deep.er": "[1]"}
    assert read(source) == [
        ("a/alone.PNG", b"alone", None, {}),
        ("a/b/x.jpg", b"a/b", "caption of a/b", {}),
        ("a/x.jpg", b"a", "caption of a", columns),
        ("a/x.png", b"same stem", "caption of a", columns),
    ]
    assert source.ignored == 2
    assert source.rows == 4


def test_parts_split_the_rows_and_the_digest_names_them(tmp_path):
    for i in range(5):
        (tmp_path / f"{i}.png").write_bytes(b"")
    source = open_source(tmp_path, rows_per_part=2)
    assert [part.rows for part in source.parts] == [2, 2, 1]
    assert source.digest == open_source(tmp_path, rows_per_part=2).digest
    assert source.digest != open_source(tmp_path, rows_per_part=3).digest
    assert [row[0] for row in read(source.first(3))] == ["0.png", "1.png", "2.png"]
    (tmp_path / "6.png").write_bytes(b"")
    assert source.digest != open_source(tmp_path, rows_per_part=2).digest


def test_a_broken_sidecar_does_not_cost_the_image(tmp_path):
    (tmp_path / "a.png").write_bytes(b"a")
    (tmp_path / "a.json").write_text("{broken")
    (tmp_path / "b.png").write_bytes(b"b")
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\xfa")
    rows = read(open_source(tmp_path))
    assert [row[1] for row in rows] == [b"a", b"b"]
    assert all("sidecar_error" in row[3] for row in rows)


def test_links_pipes_and_odd_names_end_as_rows(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner/a.png").write_bytes(b"a")
    (tmp_path / "inner/loop").symlink_to(tmp_path)
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "linked.png").symlink_to(tmp_path / "inner/a.png")
    (tmp_path / "line\nbreak ü.png").write_bytes(b"odd")
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    with open(os.fsencode(tmp_path) + b"/\xff.png", "wb") as file:
        file.write(b"not utf-8")
    rows = {row[0]: row[1] for row in read(open_source(tmp_path))}
    assert rows == {
        "inner/a.png": b"a",
        "inner/loop": "unreadable",
        "self.png": "unreadable",
        "gone.png": "unreadable",
        "linked.png": b"a",
        "line\nbreak ü.png": b"odd",
        "pipe.png": "unreadable",
        "\\xff.png": b"not utf-8",
    }


def test_a_list_is_seen_from_its_folder(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.png").write_bytes(b"a")
    (tmp_path / "paths.txt").write_text(f"in/a.png\n\n{tmp_path}/in/a.png\nmissing.png\n")
    rows = read(open_source(tmp_path / "paths.txt"))
    assert rows == [
        ("in/a.png", b"a", None, {}),
        (f"{tmp_path}/in/a.png", b"a", None, {}),
        ("missing.png", "unreadable"),
    ]
    assert read(open_source([tmp_path / "in/a.png"])) == rows[1:2]


def test_a_list_in_utf_16_is_read(tmp_path):
    (tmp_path / "é.png").write_bytes(b"1")
    (tmp_path / "list.txt").write_bytes("é.png\r\n".encode("utf-16"))
    assert [row[1] for row in read(open_source(tmp_path / "list.txt"))] == [b"1"]


def test_urls_are_read_as_files_are(tmp_path):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.pipe({"/set/a.png": b"a", "/set/in/b.png": b"b", "/set/in/b.txt": b"words"})
    assert read(open_source("memory://set")) == [("a.png", b"a", None, {}), ("in/b.png", b"b", "words", {})]
    pyarrow.parquet.write_table(pyarrow.table({"image_path": ["in/b.png"]}), tmp_path / "t.parquet")
    memory.pipe("/set/t.parquet", (tmp_path / "t.parquet").read_bytes())
    assert read(open_source("memory://set/t.parquet")) == [("in/b.png", b"b", None, {})]
    write_tar(tmp_path / "0.tar", {"c.png": b"c"})
    memory.pipe("/tars/0.tar", (tmp_path / "0.tar").read_bytes())
    assert read(open_source("memory://tars/{0..0}.tar")) == [("0.tar/c.png", b"c", None, {})]


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda p: None, {}, "got none"),
        (lambda p: (p / "a.txt").write_text("words"), {}, "got none"),
        (lambda p: [(p / n).write_bytes(b"") for n in ("a.png", "b.tar")], {}, "name one"),
        (lambda p: (p / "a.png").write_bytes(b""), {"kind": "tar"}, "expected tar files"),
        (lambda p: (p / "a.png").write_bytes(b""), {"kind": "zip"}, "'zip'"),
        (lambda p: (p / "a.png").write_bytes(b""), {"rows_per_part": 0}, "at least 1"),
        (lambda p: (p / "a.parquet").write_bytes(b""), {}, "cannot be read"),
        (lambda p: pyarrow.parquet.write_table(pyarrow.table({"x": [1]}), p / "a.parquet"), {}, "column of images"),
        (
            lambda p: pyarrow.parquet.write_table(pyarrow.table({"x": [1]}), p / "a.parquet"),
            {"image_column": "y"},
            "column 'y'",
        ),
        (
            lambda p: pyarrow.parquet.write_table(pyarrow.table({"x": [1]}), p / "a.parquet"),
            {"image_column": "x"},
            "column of images",
        ),
    ],
)
def test_an_input_of_nothing_is_refused(tmp_path, make, options, message):
    make(tmp_path)
    with pytest.raises(InputError, match=message):
        open_source(tmp_path, **options)


@pytest.mark.parametrize("name", ["missing", "missing.tar", "*.tar", "words.docx"])
def test_a_path_of_nothing_is_refused(tmp_path, name):
    (tmp_path / "words.docx").write_text("")
    with pytest.raises(InputError, match="expected a folder"):
        open_source(tmp_path / name)
    with pytest.raises(InputError, match="list of image paths"):
        open_source([])


def test_a_limit_needs_counted_rows(tmp_path):
    write_tar(tmp_path / "a.tar", {"a.png": b""})
    with pytest.raises(InputError, match="tar files"):
        open_source(tmp_path).first(1)


def test_hostile_json_does_not_crash(tmp_path):
    (tmp_path / "a.png").write_bytes(b"a")
    (tmp_path / "a.json").write_text("[" * 100_000)
    (tmp_path / "b.png").write_bytes(b"b")
    (tmp_path / "b.json").write_text(json.dumps(["not", "an", "object"]))
    (tmp_path / "c.png").write_bytes(b"c")
    (tmp_path / "c.json").write_text('{"half a pair": "\\ud800", "caption": "\\udfff"}')
    rows = read(open_source(tmp_path))
    assert [row[1:3] for row in rows] == [(b"a", None), (b"b", None), (b"c", None)]
    assert all("sidecar_error" in row[3] for row in rows)


def test_other_files_of_the_same_names_are_another_input(tmp_path):
    for folder, color in (("a", "red"), ("b", None)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "0.png").write_bytes(png() if color else png() + b"more")
    a, b = (open_source(tmp_path / folder).parts for folder in "ab")
    assert [part.name for part in a] != [part.name for part in b]


def test_images_are_read_again_by_their_names(tmp_path):
    (tmp_path / "in" / "more").mkdir(parents=True)
    for name in ("a.png", "more/b.png", "c.png"):
        (tmp_path / "in" / name).write_bytes(name.encode())
    pyarrow.parquet.write_table(pyarrow.table({"image": [b"0", b"1", b"2"]}), tmp_path / "t.parquet", row_group_size=2)
    for path, names, files in (
        ("in", ["more/b.png", "a.png"], [b"more/b.png", b"a.png"]),
        ("t.parquet", ["t.parquet:2", "t.parquet:0"], [b"2", b"0"]),
    ):
        source = open_source(tmp_path / path)
        assert read_named(source, names) == files
        with pytest.raises(InputError, match="'nothing'"):
            read_named(source, [names[0], "nothing"])
        with pytest.raises(InputError, match="twice"):
            read_named(source, [names[0], names[0]])


@pytest.mark.parametrize("pattern", ["", "*/part.*", "{0..1}/part.{suffix}"], ids=["folder", "stars", "count"])
@pytest.mark.parametrize("suffix", ["parquet", "tar", "txt"])
def test_files_of_one_name_in_several_folders_give_names_of_their_own(tmp_path, pattern, suffix):
    for i in range(2):
        write_table(tmp_path / f"parquet/{i}/part.parquet", image=[b"%d" % i])
        for kind in ("tar", "txt"):
            (tmp_path / f"{kind}/{i}").mkdir(parents=True)
        write_tar(tmp_path / f"tar/{i}/part.tar", {"a.png": b"%d" % i})
        (tmp_path / f"txt/{i}/a.png").write_bytes(b"%d" % i)
        (tmp_path / f"txt/{i}/part.txt").write_text("a.png\n")
    source = open_source(tmp_path / suffix / pattern.replace("{suffix}", suffix))
    row = {"parquet": "part.parquet:0", "tar": "part.tar/a.png", "txt": "a.png"}[suffix]
    assert [found[:2] for found in read(source)] == [(f"0/{row}", b"0"), (f"1/{row}", b"1")]
    assert read_named(source, [f"1/{row}"]) == [b"1"]
    assert len({part.name for part in source.parts}) == len(source.parts)


def test_a_store_in_the_folder_is_none_of_its_images(tmp_path):
    (tmp_path / "a.png").write_bytes(b"a")
    (tmp_path / "out/metadata").mkdir(parents=True)
    (tmp_path / "out/metadata/metadata_0000.parquet").write_bytes(b"")
    (tmp_path / "out/store.json").write_text('{"format": "clipspace-store/1", "rows": null}')
    (tmp_path / "in").mkdir()
    (tmp_path / "in/store.png").write_bytes(b"a shop")
    (tmp_path / "in/store.json").write_text('{"format": "png"}')  # a sidecar
    source = open_source(tmp_path)
    assert [row[:2] for row in read(source)] == [("a.png", b"a"), ("in/store.png", b"a shop")]
    assert source.ignored == 0


def test_a_local_name_that_looks_like_a_url_is_local(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run::1").mkdir()
    (tmp_path / "run::1/a.png").write_bytes(b"a")
    (tmp_path / "list.txt").write_text("run::1/a.png\n")
    assert read(open_source("run::1")) == [("a.png", b"a", None, {})]
    assert read(open_source(tmp_path / "list.txt"))[0][1] == b"a"


@pytest.mark.parametrize("url", ["nosuch://bucket/x", "nosuch://bucket/x.tar", "nosuch://bucket/*.tar"])
def test_a_url_of_no_known_protocol_is_refused(url):
    pytest.importorskip("fsspec")
    with pytest.raises(InputError, match="could not be reached"):
        open_source(url)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("in", {"image_column": "x"}, "image_column is of Parquet"),
        ("in", {"caption_column": "x"}, "caption_column is of Parquet"),
        ("in", {"kind": "list"}, "file of paths"),
        ("t.tar", {"image_column": "x"}, "image_column is of Parquet"),
        ("l.txt", {"caption_column": "x"}, "caption_column is of Parquet"),
        (["in/a.png"], {"caption_column": "x"}, "caption_column is of Parquet"),
        (["in/a.png"], {"kind": "tar"}, "sequence of paths"),
    ],
)
def test_options_that_would_go_unheeded_are_refused(tmp_path, monkeypatch, name, options, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.png").write_bytes(b"a")
    (tmp_path / "l.txt").write_text("in/a.png\n")
    write_tar(tmp_path / "t.tar", {"a.png": b"a"})
    with pytest.raises(InputError, match=message):
        open_source(name, **options)


@pytest.mark.parametrize(("error", "reason"), [(OSError(5, "Input/output error"), "unreadable"), (MemoryError(), None)])
def test_a_fault_of_the_machine_is_not_laid_to_the_file(tmp_path, monkeypatch, error, reason):
    class Faulty(io.FileIO):
        def read(self, size=-1):
            raise error

        readinto = read

    write_tar(tmp_path / "t.tar", {"a.png": b"a"})
    write_table(tmp_path / "t.parquet", image=[b"a"])
    (tmp_path / "l.txt").write_text("l.txt\n")
    sources = [open_source(tmp_path / name) for name in ("t.tar", "t.parquet", "l.txt")]
    for module in ("files", "tar", "parquet"):
        monkeypatch.setattr(f"clipspace.sources.{module}.open_file", Faulty)
    for source in sources:
        if reason:
            assert [row[1] for row in read(source)] == [reason]
        else:
            with pytest.raises(MemoryError):
                read(source)
