import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipspace.errors import InputError
from clipspace.sources.images import decode_image, expand_folders, psnr, read_image, read_images, sort_out, square


def _png_header(width: int, height: int) -> bytes:
    """A PNG that claims to be large: a decompression bomb of a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_exif_rotation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (4, 2), "red").save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").size == (2, 4)


MODES = ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "LAB", "F", "I;16"]


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_becomes_rgb(mode):
    image = Image.new(mode, (3, 3))
    assert read_image(image).mode == "RGB"


def test_transparency_is_laid_on_white():
    assert read_image(Image.new("RGBA", (1, 1), (0, 0, 0, 0))).getpixel((0, 0)) == (255, 255, 255)


def test_16_bit_grey_keeps_its_range():
    deep = Image.fromarray(np.array([[0, 32768, 65535]], np.uint16))
    assert [p[0] for p in np.asarray(read_image(deep))[0]] == [0, 128, 255]


def test_of_an_animation_the_first_frame_is_taken(tmp_path):
    frames = [Image.new("RGB", (2, 2), color) for color in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert read_image(tmp_path / "a.gif").getpixel((0, 0)) == (255, 0, 0)


def test_one_pixel_is_an_image():
    assert square(read_image(Image.new("RGB", (1, 1), "red")), 64).size == (64, 64)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "empty"), (b"not an image", "no known image format"), (_png_header(20_000, 20_000), "decompression bomb")],
)
def test_what_is_no_image_is_refused(tmp_path, content, message):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_image(path)


def test_a_truncated_image_is_refused(tmp_path, rng):
    path = tmp_path / "a.jpg"
    Image.fromarray(rng.integers(0, 255, (64, 64, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(InputError, match="truncated"):
        read_image(path)


@pytest.mark.parametrize("path", ["missing.png", "."])
def test_a_path_that_is_no_file_is_refused(path):
    with pytest.raises(InputError, match="not a file"):
        read_image(path)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 2, 5), np.uint8), "shape"),
        (np.zeros((0, 2, 3), np.uint8), "shape"),
        (np.full((2, 2, 3), np.nan), r"\[0, 1\]"),
        (np.full((2, 2, 3), 7.0), r"\[0, 1\]"),
        (np.zeros((2, 2, 3), np.int64), "int64"),
    ],
)
def test_arrays_that_are_no_image_are_refused(array, message):
    with pytest.raises(InputError, match=message):
        read_image(array)


def test_what_cannot_be_an_image_is_refused():
    with pytest.raises(InputError, match="got int"):
        read_image(3)


def test_names_are_file_stems_or_numbers(tmp_path):
    Image.new("RGB", (2, 2)).save(tmp_path / "cat.png")
    assert read_images([tmp_path / "cat.png", Image.new("RGB", (2, 2))])[1] == ["cat", "1"]


def test_a_folder_stands_for_the_images_below_it(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("b.png", "a.JPG", "notes.txt", "deep/c.png"):
        (tmp_path / name).write_bytes(b"")
    found = expand_folders(["missing.png", tmp_path])
    assert found == [Path("missing.png"), tmp_path / "a.JPG", tmp_path / "b.png", tmp_path / "deep/c.png"]


def test_files_below_a_folder_are_sorted_out_by_content(tmp_path, apple):
    (tmp_path / "__MACOSX").mkdir()
    for name, kind in {
        "a": "JPEG",
        "b.txt": "PNG",
        "c.dat": "AVIF",
        "._d.jpg": "JPEG",
        "__MACOSX/e.jpg": "JPEG",
    }.items():
        apple.save(tmp_path / name, kind)
    for name in ("notes.txt", "empty", "broken.jpg"):
        (tmp_path / name).write_bytes(b"" if name == "empty" else b"words")
    images, others = sort_out(tmp_path)
    assert [path.name for path in images] == ["a", "b.txt", "broken.jpg", "c.dat"]
    assert [path.name for path in others] == ["._d.jpg", "e.jpg", "empty", "notes.txt"]


def test_psnr_of_a_known_error():
    a, b = Image.new("RGB", (8, 8), (100, 100, 100)), Image.new("RGB", (8, 8), (110, 110, 110))
    assert np.isclose(psnr(a, b), 10 * np.log10(255**2 / 100))
    assert psnr(a, a) == float("inf")
    assert psnr(a, a, most=99.0) == 99
    assert psnr(a, b, most=5.0) == 5


def test_want_of_memory_is_not_laid_to_the_picture(apple, monkeypatch):
    buffer = io.BytesIO()
    apple.save(buffer, "png")

    def full(*_):
        raise MemoryError

    monkeypatch.setattr("clipspace.sources.images.to_rgb", full)
    with pytest.raises(MemoryError):
        decode_image(buffer.getvalue())
