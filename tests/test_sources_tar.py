import tarfile

import pytest
from sourced import png, read, write_tar

from clipspace.sources import open_source


def test_tar_shards_pair_by_stem(tmp_path):
    write_tar(tmp_path / "00.tar", {
        "x/1.jpg": b"one", "x/1.txt": b"first", "x/1.json": b'{"label": 1}', "x/1.cls": b"7",
        "y/1.png": b"two", "only.txt": b"no image", "z.seg.png": b"three", "z.txt": b"third",
    })  # fmt: skip
    write_tar(tmp_path / "01.tar", {"w.webp": b"four"})
    for spelled in (tmp_path, tmp_path / "{00..01}.tar", tmp_path / "*.tar"):
        assert read(open_source(spelled)) == [
            ("00.tar/x/1.jpg", b"one", "first", {"label": 1, "cls": "7"}),
            ("00.tar/y/1.png", b"two", None, {}),
            ("00.tar/only", "no image"),
            ("00.tar/z.seg.png", b"three", "third", {}),
            ("01.tar/w.webp", b"four", None, {}),
        ]


@pytest.mark.parametrize("damage", ["header", "cut", "boundary", "all"])
def test_a_broken_tar_never_ends_unsaid(tmp_path, damage):
    path = tmp_path / "a.tar"
    write_tar(path, {f"{i}.jpg": bytes([i]) * 700 for i in range(4)})
    whole = bytearray(path.read_bytes())
    second = 1536  # a header of 512 bytes and 700 bytes padded to 1024
    if damage == "header":
        whole[second + 148] ^= 0xFF  # its checksum
    cut = {"header": None, "cut": second + 600, "boundary": second, "all": 100}[damage]
    path.write_bytes(whole[:cut])
    rows = read(open_source(path))
    assert [row[0] for row in rows[:-1]] == ([] if damage == "all" else ["a.tar/0.jpg"])
    assert rows[-1] == ("a.tar", "truncated")


def test_every_image_of_a_tar_is_a_row_whatever_dots_its_name_has(tmp_path):
    names = [f"Screenshot 2024-05-01 at 10.{m}.07.png" for m in (31, 32)] + ["0000.input.png", "0000.edited.png"]
    write_tar(tmp_path / "t.tar", {name: png() for name in names})
    assert len(read(open_source(tmp_path / "t.tar"))) == 4


def test_a_link_in_a_tar_is_called_a_link(tmp_path):
    with tarfile.open(tmp_path / "t.tar", "w") as tar:
        for name, kind in (("hard.png", tarfile.LNKTYPE), ("soft.png", tarfile.SYMTYPE)):
            header = tarfile.TarInfo(name)
            header.type, header.linkname = kind, "a.png"
            tar.addfile(header)
    assert read(open_source(tmp_path / "t.tar")) == [("t.tar/hard.png", "a link"), ("t.tar/soft.png", "a link")]
