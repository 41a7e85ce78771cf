"""Reading of images: a path, PIL image or array becomes an RGB image, or raises a clear error."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from clipspace.errors import ImageError, InputError
from clipspace.sources import formats
from clipspace.sources.pixels import from_array, to_rgb

SUFFIXES = formats.SUFFIXES

NO_HEIF = "HEIF not installed"
"""Reason recorded for a HEIC image when the extra that reads it is not installed."""

SAME = 99.0
"""Value in decibels that stands for the infinite ratio of two equal images."""


def read_image(source) -> Image.Image:
    """An RGB image from a path, a PIL image, or a NumPy array (uint8, uint16, or float in [0, 1]; h x w [x c]).

    EXIF rotation is applied, transparency is laid on white, CMYK, grey and 16-bit are converted, and of an
    animation the first frame is taken. A file is judged by its content, whatever its name. Raises `InputError` for
    what is not, or no longer, an image, for pixels of no known range, and for images of more than 179 million pixels
    (Pillow's guard against decompression bombs).
    """
    if isinstance(source, Image.Image):
        with _as_image_errors("the PIL image"):
            return to_rgb(source)
    if isinstance(source, np.ndarray):
        return to_rgb(from_array(source))
    if hasattr(source, "detach"):  # a torch tensor, whose order of axes and range only its owner knows
        raise InputError(
            "read_image: expected a path, PIL image or NumPy array, got a torch tensor; hand over "
            "tensor.detach().float().cpu().permute(1, 2, 0).numpy() of a tensor (channels, h, w) with values in [0, 1]"
        )
    if not isinstance(source, (str, Path)):
        raise InputError(f"read_image: expected a path, PIL image or NumPy array, got {type(source).__name__}")
    return _open(Path(source))


def read_images(sources) -> tuple[list[Image.Image], list[str]]:
    """RGB images and a name for each, from one source or a sequence of them; see `read_image`."""
    listed, names = list_images(sources)
    return [read_image(s) for s in listed], names


def list_images(sources) -> tuple[list, list[str]]:
    """The sources, not yet read, and a name for each: the key of a mapping, the stem of a path, else a number."""
    if isinstance(sources, Mapping):
        return list(sources.values()), [str(name) for name in sources]
    if isinstance(sources, (Image.Image, str, Path)) or (isinstance(sources, np.ndarray) and sources.ndim <= 3):
        sources = [sources]
    if not isinstance(sources, (Sequence, np.ndarray, Iterable)):
        raise InputError(f"read_images: expected an image or a sequence of them, got {type(sources).__name__}")
    listed = list(sources)
    names = [Path(s).stem if isinstance(s, (str, Path)) else str(i) for i, s in enumerate(listed)]
    return listed, names


def folders_of(sources: Sequence) -> dict[str, list[str]]:
    """The column "folder" of files, where they are in more than one; no column of anything else."""
    folders = [Path(source).parent.name for source in sources if isinstance(source, (str, Path))]
    return {"folder": folders} if len(folders) == len(sources) and len(set(folders)) > 1 else {}


def images_below(folder: Path) -> list[Path]:
    """The image files of a folder and of those below it, sorted; see `sort_out`."""
    return sort_out(folder)[0]


def sort_out(folder: Path) -> tuple[list[Path], list[Path]]:
    """The image files of a folder and of those below it, and the other files there; both sorted.

    A file is an image by its content, whatever its name. One that is named as an image is listed among them, so that
    reading it says what is wrong with it. Hidden files (`formats.is_hidden`) are among the others.
    """
    images, other_files = [], []
    for path in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
        hidden = formats.is_hidden(path.relative_to(folder).as_posix())
        (images if not hidden and _is_image_file(path) else other_files).append(path)
    return images, other_files


def expand_folders(paths: Iterable[str | Path]) -> list[Path]:
    """The files named, in their order, a folder replaced by the image files below it."""
    return [file for path in map(Path, paths) for file in (images_below(path) if path.is_dir() else [path])]


def square(image: Image.Image, side: int) -> Image.Image:
    """The centre square of ``image``, resized to ``side`` pixels with an anti-aliasing filter."""
    return image if image.size == (side, side) else ImageOps.fit(image, (side, side), Image.Resampling.BICUBIC)


def grows_too_large(image: Image.Image, side: int) -> bool:
    """Whether an image this thin would pass Pillow's guard once its short side is made ``side`` pixels."""
    return side**2 * max(image.size) > (Image.MAX_IMAGE_PIXELS or float("inf")) * 2 * min(image.size)


def content(picture: Image.Image) -> bytes:
    """Size and pixels of an RGB image, for a digest."""
    return repr(picture.size).encode() + picture.tobytes()


def psnr(a: Image.Image, b: Image.Image, *, most: float = float("inf")) -> float:
    """Peak signal-to-noise ratio between two RGB images of one size, in dB; ``most`` of them when equal."""
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    error = np.mean((x - y) ** 2)
    return most if error == 0 else float(min(10 * np.log10(255.0**2 / error), most))


def decode_image(data: bytes, *, max_pixels: int | None = None, what: str = "the bytes") -> Image.Image:
    """The RGB image in ``data``, the content of an image file; ``what`` names it in errors.

    Raises `ImageError` with its reason, whatever the bytes are. ``max_pixels`` is 179 million unless given.
    Safe to call from several threads.
    """
    if not data:
        raise ImageError("empty", f"expected an image, got {what}, which is empty (0 bytes)")
    kind = formats.format_of(data[: formats.HEAD_BYTES])
    if kind is None:
        raise ImageError("not an image", f"expected an image, got {what}, whose content is of no known image format")
    if kind == "HEIF" and not _reads_heif():
        raise ImageError(
            NO_HEIF,
            f"{what} is a HEIC (HEIF) image, which needs an extra; pip install 'clipspace[heif]', or save it as JPEG",
        )
    most = max_pixels or 2 * (Image.MAX_IMAGE_PIXELS or 0)
    with _as_image_errors(what, kind, most), Image.open(BytesIO(data), formats=(kind,)) as image:
        if most and image.width * image.height > most:
            raise Image.DecompressionBombError
        return to_rgb(image, what)


@contextmanager
def _as_image_errors(what: str, kind: str = "PIL image", most: int = 0) -> Iterator[None]:
    """Errors of Pillow's decoders, which raise almost anything on hostile bytes, as `ImageError`."""
    try:
        yield
    except (ImageError, MemoryError):  # the second is of this machine now, and says nothing of the image
        raise
    except UnidentifiedImageError:
        raise ImageError(
            "unsupported",
            f"{what} begins as a {kind} but is broken, or of a kind that Pillow does not read; convert it",
        ) from None
    except Image.DecompressionBombError:
        raise ImageError(
            "decompression bomb",
            f"expected at most {most:,} pixels, got more in {what} "
            "(it could be a decompression bomb); make it smaller first",
        ) from None
    except Exception as error:
        message = str(error).lower()
        is_closed = "closed" in message or isinstance(
            error, (AssertionError, AttributeError)
        )  # of Pillow's file, which is None
        if kind == "PIL image" and is_closed:
            raise ImageError(
                "closed", f"{what} was closed before it was read; load() it first, or pass the path"
            ) from None
        reason = "truncated" if "truncat" in message else "corrupt"
        raise ImageError(reason, f"{what} is truncated or corrupt ({error!r}); get a whole copy of it") from None


@cache
def _reads_heif() -> bool:
    """Whether the extra is there that reads HEIF; Pillow then knows it."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


def _open(path: Path) -> Image.Image:
    if not path.is_file():
        raise InputError(f"read_image: expected an image file, got {str(path)!r}, which is not a file; check the path")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"read_image: {str(path)!r} could not be read ({error}); check its permissions") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return decode_image(data, what=repr(str(path)))


def _is_image_file(path: Path) -> bool:
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            return formats.looks_like_image(file.read(formats.HEAD_BYTES))
    except OSError:
        return False
