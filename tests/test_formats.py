import io

import pytest
from PIL import Image

from clipspace.sources.formats import HEAD_BYTES, READ, SUFFIXES, format_of, is_hidden, looks_like_image


@pytest.mark.parametrize("name", sorted(set(READ) - {"HEIF"}))
def test_what_pillow_writes_is_told_by_its_first_bytes(name, apple):
    buffer = io.BytesIO()
    apple.save(buffer, name)
    assert format_of(buffer.getvalue()[:HEAD_BYTES]) == name
    assert Image.open(io.BytesIO(buffer.getvalue()), formats=[name]).size == apple.size


def _ftyp(*brands: bytes) -> bytes:
    major, *others = brands
    body = b"ftyp" + major + bytes(4) + b"".join(others)
    return (len(body) + 4).to_bytes(4, "big") + body + b"....meta"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (_ftyp(b"heic", b"mif1", b"miaf"), "HEIF"),
        (_ftyp(b"mif1", b"heic", b"miaf"), "HEIF"),
        (_ftyp(b"mif1", b"miaf"), "HEIF"),
        (_ftyp(b"avif", b"mif1", b"miaf"), "AVIF"),
        (_ftyp(b"mif1", b"avif", b"miaf"), "AVIF"),
        (_ftyp(b"isom", b"mp42"), None),  # a video
        (b"II*\0\x10\0\0\0CR\x02\0", None),  # a camera's raw file, of which Pillow reads a preview
        (b"P6 64 64 255 ", "PPM"),
        (b"P1 is what the first prize is called", None),
        (b"BMW makes cars, and this is a text about them", None),
        (b"%!PS-Adobe-3.0 EPSF-3.0", None),
        (b"%PDF-1.7", None),
        (b"", None),
        (b"\x89PN", None),
        (b"\0\0\0\x18ftyp", None),
    ],
)
def test_formats_are_told_apart(head, expected):
    assert format_of(head) == expected
    assert looks_like_image(head) == (expected is not None)


def test_suffixes_hold_the_usual_ones():
    assert {".jpg", ".jfif", ".jpe", ".png", ".avif", ".jp2", ".ppm", ".heic", ".tiff"} <= SUFFIXES


@pytest.mark.parametrize(
    ("name", "hidden"),
    [("._1.jpg", True), (".DS_Store", True), ("__MACOSX/1.jpg", True), ("a/.b/c.png", True), ("a/b.c/d.png", False)],
)
def test_hidden_files_are_told_by_their_path(name, hidden):
    assert is_hidden(name) == hidden
