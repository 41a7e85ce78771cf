"""Pixels of known range are read, from files as from arrays; all else is an error of the library that says why."""

import io
import warnings

import numpy as np
import pytest
import tiny
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from sourced import write_tar

from clipspace import Embeddings, load_space
from clipspace.errors import ImageError, InputError, PrecisionError
from clipspace.points.arrays import as_points
from clipspace.points.sphere import unit
from clipspace.points.store import open_store
from clipspace.sources import open_source
from clipspace.sources.images import decode_image, images_below, read_image
from clipspace.space.encoding import encode

ONE_NAN = np.full((8, 8), 0.5, np.float32)
ONE_NAN[3, 3] = np.nan
GREY = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)

NO_RANGE = {
    "one pixel that is not a number": (ONE_NAN, "not finite"),
    "floats from 0 to 65535": (GREY * 65535, "no stated range"),
    "floats from -1 to 1": (GREY * 2 - 1, "no stated range"),
    "floats from 0 to 255": (GREY * 255, "no stated range"),
    "infinity": (np.full((8, 8), np.inf, np.float32), "not finite"),
    "32-bit integers from 0 to 255": ((GREY * 255).astype(np.int32), "no stated range"),
}


@pytest.mark.parametrize("name", NO_RANGE)
def test_pixels_without_a_range_are_refused_in_files_as_in_arrays(name, tmp_path):
    pixels, reason = NO_RANGE[name]
    file = tmp_path / "a.tif"
    Image.fromarray(pixels).save(file)
    for source in (pixels, file, Image.fromarray(pixels)):
        with pytest.raises(ImageError) as error:
            read_image(source)
        assert error.value.reason == reason
        if source is file:
            assert "a.tif" in str(error.value)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int64, np.uint32, np.uint64, bool, complex])
def test_arrays_of_other_types_are_refused(dtype):
    with pytest.raises(InputError, match="uint8, uint16 or floats"):
        read_image(np.ones((4, 4, 3), dtype))


@pytest.mark.parametrize(
    ("pixels", "suffix"),
    [
        (GREY, "tif"),
        ((GREY * 255).astype(np.uint8), "tif"),
        ((GREY * 65535).astype(np.uint16), "tif"),
        ((GREY * 65535).astype(np.uint16), "png"),
        ((GREY * 65535).astype(np.uint16), "jp2"),
        ((GREY * 65535).astype(np.uint16), "pgm"),
    ],
)
def test_pixels_of_a_known_range_are_the_same_in_files_and_arrays(pixels, suffix, tmp_path):
    Image.fromarray(pixels).save(tmp_path / f"a.{suffix}")
    expected = np.rint(GREY * 255)
    for source in (pixels, tmp_path / f"a.{suffix}", Image.fromarray(pixels)):
        assert np.abs(np.asarray(read_image(source))[..., 0] - expected).max() <= 1
    if pixels.dtype != np.uint8:
        color = np.stack([pixels] * 3, axis=-1)
        assert np.array_equal(np.asarray(read_image(color)), np.asarray(read_image(pixels)))


def test_grey_tiffs_say_how_many_bits_they_use_and_whether_white_is_zero(tmp_path):
    deep = Image.fromarray((GREY * 65535).astype(np.uint16))
    deep.save(tmp_path / "a.tif", tiffinfo={262: 0})
    assert np.abs(np.asarray(read_image(tmp_path / "a.tif"))[..., 0] + np.rint(GREY * 255) - 255.0).max() <= 1
    values = np.array([0, 2048, 4095, 1024], np.uint32)  # 12 bits each, high bits first
    packed = int("".join(f"{v:012b}" for v in values), 2).to_bytes(6, "big")
    tags = [(256, 4, 4), (257, 4, 1), (258, 3, 12), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1), (278, 4, 1)]
    tags += [(279, 4, 6)]
    entries = b"".join(
        tag.to_bytes(2, "little") + kind.to_bytes(2, "little") + (1).to_bytes(4, "little") + value.to_bytes(4, "little")
        for tag, kind, value in tags
    )
    head = b"II*\0" + (14).to_bytes(4, "little") + packed
    shown = decode_image(head + len(tags).to_bytes(2, "little") + entries + bytes(4))
    assert [pixel[0] for pixel in np.asarray(shown)[0]] == [0, 128, 255, 64]


def test_the_preview_that_a_raw_file_begins_with_is_no_image(tmp_path, apple):
    apple.save(tmp_path / "a.tif", tiffinfo={254: 1})  # a small version of another page: read
    assert read_image(tmp_path / "a.tif").size == apple.size
    apple.save(tmp_path / "b.dng", "TIFF", tiffinfo={254: 1, 330: 8})  # of an image that Pillow does not read
    with pytest.raises(ImageError, match="preview") as error:
        read_image(tmp_path / "b.dng")
    assert error.value.reason == "a preview"


def test_a_folder_records_the_reason_and_keeps_the_rest(space, tmp_path, apple):
    folder = tmp_path / "in"
    folder.mkdir()
    for k, (pixels, _) in enumerate((NO_RANGE["floats from -1 to 1"], NO_RANGE["one pixel that is not a number"])):
        Image.fromarray(pixels).save(folder / f"{k}.tif")
    apple.save(folder / "2.png")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = encode(space, folder, tmp_path / "out")
    assert (report.stored, dict(report.rejected)) == (1, {"no stated range": 1, "not finite": 1})


NAMES = {
    "a.jpg": "JPEG", "b.JPG": "JPEG", "c.png": "PNG", "d.jfif": "JPEG", "e.jpe": "JPEG", "f": "JPEG", "g.ppm": "PPM",
    "h.avif": "AVIF", "i.jp2": "JPEG2000", "j.dat": "WEBP", "k.txt": "GIF",
}  # fmt: skip


def test_images_of_a_folder_are_told_by_content(tmp_path, apple):
    for name, kind in NAMES.items():
        apple.save(tmp_path / name, kind)
    for name in ("notes", "page.eps", "page.pdf", "._a.jpg", ".DS_Store"):
        (tmp_path / name).write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    (tmp_path / "__MACOSX").mkdir()
    apple.save(tmp_path / "__MACOSX" / "a.jpg")
    found = images_below(tmp_path)
    assert [path.name for path in found] == sorted(NAMES)
    for path in found:
        assert np.abs(np.asarray(read_image(path), float) - np.asarray(apple, float)).mean() < 12


def test_a_program_is_never_opened_as_an_image(tmp_path):
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    with pytest.raises(ImageError, match="no known image format"):
        read_image(tmp_path / "a.png")


def test_heic_needs_an_extra_and_says_which(monkeypatch):
    monkeypatch.setattr("clipspace.sources.images._reads_heif", lambda: False)
    with pytest.raises(ImageError, match=r"pip install 'clipspace\[heif\]'"):
        decode_image(b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf" + bytes(40))


def test_heic_is_read_where_the_extra_is_there(apple):
    pytest.importorskip("pillow_heif").register_heif_opener()
    buffer = io.BytesIO()
    apple.save(buffer, "HEIF", quality=95)
    shown = decode_image(buffer.getvalue())
    assert np.abs(np.asarray(shown, float) - np.asarray(apple, float)).mean() < 12


def test_a_tiff_that_pillow_does_not_read_is_said_to_be_one():
    with pytest.raises(ImageError, match="begins as a TIFF") as error:
        decode_image(b"II*\0" + (8).to_bytes(4, "little") + bytes(40))
    assert error.value.reason == "unsupported"


def test_a_lazily_opened_image_of_a_truncated_file_is_said_to_be_truncated(tmp_path, rng):
    path = tmp_path / "a.jpg"
    Image.fromarray(rng.integers(0, 255, (64, 64, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-400])
    with Image.open(path) as lazy, pytest.raises(ImageError, match="truncated") as error:
        read_image(lazy)
    assert error.value.reason == "truncated"


def test_a_closed_image_is_said_to_be_closed(tmp_path, apple):
    apple.save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as closed:
        pass
    also = apple.copy()
    also.close()
    for image in (closed, also):
        with pytest.raises(ImageError, match="closed before it was read") as error:
            read_image(image)
        assert error.value.reason == "closed"


def test_colours_survive_every_mode():
    red, half = (255, 0, 0), Image.new("RGBA", (2, 2), (255, 0, 0, 128))
    for mode in ("P", "YCbCr", "HSV", "CMYK", "RGBX"):
        seen = np.asarray(read_image(Image.new("RGB", (2, 2), red).convert(mode)), int)
        assert np.abs(seen - red).max() <= 2, mode
    for image in (half, half.convert("RGBa"), half.convert("LA").convert("RGBA")):
        assert (
            np.abs(np.asarray(read_image(image), int) - np.asarray(read_image(image.convert("RGBA")), int)).max() <= 2
        )
    assert np.abs(np.asarray(read_image(half), int) - (255, 127, 127)).max() <= 1
    multiplied = Image.new("LA", (2, 2), (100, 128)).convert("La")
    assert np.abs(np.asarray(read_image(multiplied), int) - 177).max() <= 2
    from PIL import ImageCms

    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    as_lab = ImageCms.applyTransform(Image.new("RGB", (2, 2), red), ImageCms.buildTransform(srgb, lab, "RGB", "LAB"))
    assert np.abs(np.asarray(read_image(as_lab), int) - red).max() <= 6
    palette = Image.new("P", (2, 2), 0)
    palette.putpalette([0, 0, 255])
    palette.info["transparency"] = 0
    assert read_image(palette).getpixel((0, 0)) == (255, 255, 255)
    bits = Image.new("1", (2, 2), 1)
    bits.info["transparency"] = 0
    assert read_image(bits).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize(
    "tensor",
    [torch.ones(2, 4, dtype=torch.bfloat16), torch.ones(2, 4, requires_grad=True), torch.ones(2, 4, device="meta")],
)
def test_tensors_that_numpy_cannot_read_are_refused_with_the_cure(tensor):
    for call in (Embeddings, as_points, unit, Embeddings(np.ones((2, 4), np.float32)).with_vectors):
        with pytest.raises(InputError, match=r"tensor\.detach\(\)\.float\(\)\.cpu\(\)\.numpy\(\)"):
            call(tensor)


def test_tensors_that_numpy_can_read_are_vectors():
    made = torch.arange(8.0).reshape(2, 4)
    assert np.array_equal(Embeddings(made).vectors, made.numpy())
    assert Embeddings(made.half()).vectors.dtype == np.float16


def test_a_tensor_is_no_image_and_says_how_to_make_it_one():
    with pytest.raises(InputError, match=r"permute\(1, 2, 0\)"):
        read_image(torch.zeros(3, 8, 8))


def test_rows_of_unlike_lengths_are_refused():
    with pytest.raises(InputError, match="the same length"):
        Embeddings([[1.0, 2.0], [3.0]])


def test_a_folder_of_odd_names_can_be_listed(tmp_path, apple):
    apple.save(tmp_path / "a.jfif", "JPEG")
    assert sum(part.rows for part in open_source(tmp_path).parts) == 1


def nine(folder, picture):
    """One image under nine names and of four kinds, among files that are none."""
    kinds = {
        "a.jpg": "JPEG", "b.JPG": "JPEG", "c.png": "PNG", "d.jfif": "JPEG", "e.jpe": "JPEG", "IMG_6": "JPEG",
        "g.ppm": "PPM", "h.avif": "AVIF", "i.jp2": "JPEG2000",
    }  # fmt: skip
    folder.mkdir()
    for name, kind in kinds.items():
        picture.save(folder / name, kind)
    (folder / "IMG_6.txt").write_text("a word")
    for name, content in {
        "notes": b"words",
        "x.pdf": b"%PDF-1.7",
        ".DS_Store": b"\0",
        "._a.jpg": b"\0\5\x16\7",
    }.items():
        (folder / name).write_bytes(content)
    return sorted(kinds)


def test_a_folder_is_encoded_by_content_and_the_rest_is_counted(space, tmp_path, apple):
    names = nine(tmp_path / "in", apple)
    done = encode(space, tmp_path / "in", tmp_path / "out")
    assert (done.rows, done.stored, done.ignored) == (9, 9, 4)
    store = open_store(tmp_path / "out")
    assert store.names == names
    assert store[:].columns["caption"] == ["a word" if name == "IMG_6" else None for name in names]
    expected = space.encode_images([tmp_path / "in" / name for name in names])
    assert np.allclose(store[:].vectors, expected.vectors, atol=1e-4)


def test_a_tar_is_encoded_by_content_and_the_rest_is_counted(space, tmp_path, apple):
    names = nine(tmp_path / "in", apple)
    write_tar(tmp_path / "t.tar", {path.name: path.read_bytes() for path in sorted((tmp_path / "in").iterdir())})
    done = encode(space, tmp_path / "t.tar", tmp_path / "out")
    assert sorted(open_store(tmp_path / "out").names) == sorted(f"t.tar/{name.replace('JPG', 'jpg')}" for name in names)
    assert (done.stored, done.rejected, done.ignored) == (9, {"no image": 2}, 2)


@pytest.fixture(scope="module")
def overflowing(tmp_path_factory):
    """Folders of a decoder and a prior with weights that float16 holds and whose outputs it does not."""
    folder = tmp_path_factory.mktemp("overflow")
    tiny.clip(folder / "clip")
    for name, make, part, key in (
        ("latents", tiny.kandinsky, "unet", "conv_out.weight"),
        ("pixels", tiny.kandinsky, "movq", "decoder.conv_out.weight"),
        ("clipped", tiny.karlo, "decoder", "conv_out.weight"),
        ("encoded", tiny.kandinsky, "movq", "encoder.conv_out.weight"),
        ("prior", tiny.kandinsky_prior, "prior", "proj_to_clip_embeddings.weight"),
    ):
        make(folder / name)
        path = folder / name / part / "diffusion_pytorch_model.safetensors"
        weights = load_file(path)
        weights[key] = 6e4 * torch.randn(weights[key].shape, generator=torch.Generator().manual_seed(0)).sign()
        save_file(weights, path, metadata={"format": "pt"})
    return folder


def _in(overflowing, dtype, **parts):
    return load_space(overflowing / "clip", device="cpu", dtype=dtype, **{k: overflowing / v for k, v in parts.items()})


@pytest.mark.parametrize("harmed", ["latents", "pixels", "clipped"])
def test_networks_that_overflow_float16_give_an_error_and_no_black_image(overflowing, harmed):
    space = _in(overflowing, "float16", decoder=harmed)
    points = space.encode_images(np.full((8, 8, 3), 90, np.uint8))
    with pytest.raises(PrecisionError, match=r"NaN or infinity in rows \[0\].*float16.*'bfloat16' or 'float32'"):
        space.decode(points, num_inference_steps=2)
    wider = _in(overflowing, "bfloat16", decoder=harmed)
    assert len(wider.decode(wider.encode_images(np.full((8, 8, 3), 90, np.uint8)), num_inference_steps=2)) == 1


def test_latents_of_an_image_that_overflow_float16_are_not_inverted(overflowing):
    space = _in(overflowing, "float16", decoder="encoded")
    with pytest.raises(PrecisionError, match=r"invert: latents.*float16.*'bfloat16' or 'float32'"):
        space.invert(np.full((16, 16, 3), 90, np.uint8), num_inference_steps=2)


def test_a_prior_that_overflows_float16_gives_an_error_and_no_vector(overflowing):
    space = _in(overflowing, "float16", prior="prior")
    with pytest.raises(PrecisionError, match=r"prior: embeddings.*float16.*'bfloat16' or 'float32'"):
        space.prior("a cat", num_inference_steps=2)


def test_an_image_without_pixels_is_refused():
    with pytest.raises(ImageError, match="expected at least one pixel, got 0 x 4"):
        read_image(Image.new("RGB", (0, 4)))
