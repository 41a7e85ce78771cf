"""Images at the border: any picture a user may hand over becomes RGB, or a clear error."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from clipspace.errors import InputError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"})

SAME = 99.0
"""Decibels that stand for equal pictures, whose ratio is infinite."""
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")  # not EPS and its like, which run other programs


class ImageError(InputError):
    """Bytes that are not, or no longer, a picture. ``reason`` says in two words why."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"read_image: {message}")
        self.reason = reason


def read_image(source) -> Image.Image:
    """An RGB picture from a path, a PIL image, or a NumPy array (uint8, or float in [0, 1]; h x w [x c]).

    EXIF rotation is applied, transparency is laid on white, CMYK, grey and 16-bit are converted, and of an
    animation the first frame is taken. Raises `InputError` for what is not, or no longer, a picture, and for
    pictures of more than 179 million pixels (Pillow's guard against decompression bombs).
    """
    if isinstance(source, Image.Image):
        return _to_rgb(source)
    if isinstance(source, np.ndarray):
        return _to_rgb(_from_array(source))
    if not isinstance(source, (str, Path)):
        raise InputError(f"read_image: expected a path, PIL image or NumPy array, got {type(source).__name__}")
    return _open(Path(source))


def read_images(sources) -> tuple[list[Image.Image], list[str]]:
    """RGB pictures and a name for each, from one source or a sequence of them; see `read_image`."""
    listed, names = list_images(sources)
    return [read_image(s) for s in listed], names


def list_images(sources) -> tuple[list, list[str]]:
    """The sources, not yet read, and a name for each."""
    if isinstance(sources, (Image.Image, str, Path)) or (isinstance(sources, np.ndarray) and sources.ndim <= 3):
        sources = [sources]
    if not isinstance(sources, (Sequence, np.ndarray, Iterable)):
        raise InputError(f"read_images: expected an image or a sequence of them, got {type(sources).__name__}")
    listed = list(sources)
    names = [Path(s).stem if isinstance(s, (str, Path)) else str(i) for i, s in enumerate(listed)]
    return listed, names


def images_below(folder: Path) -> list[Path]:
    """The image files of a folder and of those below it, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def expand_folders(paths: Iterable[str | Path]) -> list[Path]:
    """The files named, in their order, a folder replaced by the image files below it."""
    return [file for path in map(Path, paths) for file in (images_below(path) if path.is_dir() else [path])]


def square(image: Image.Image, side: int) -> Image.Image:
    """The centre square of ``image``, resized to ``side`` pixels with an anti-aliasing filter."""
    return image if image.size == (side, side) else ImageOps.fit(image, (side, side), Image.Resampling.BICUBIC)


def grows_too_large(image: Image.Image, side: int) -> bool:
    """Whether a picture this thin would pass Pillow's guard once its short side is made ``side`` pixels."""
    return side**2 * max(image.size) > (Image.MAX_IMAGE_PIXELS or float("inf")) * 2 * min(image.size)


def content(picture: Image.Image) -> bytes:
    """Size and pixels of an RGB picture, for a digest."""
    return repr(picture.size).encode() + picture.tobytes()


def psnr(a: Image.Image, b: Image.Image, *, most: float = float("inf")) -> float:
    """Peak signal-to-noise ratio between two RGB pictures of one size, in dB; ``most`` of them when equal."""
    x, y = (np.asarray(i, dtype=np.float64) for i in (a, b))
    error = np.mean((x - y) ** 2)
    return most if error == 0 else float(min(10 * np.log10(255.0**2 / error), most))


def decode_image(data: bytes, *, max_pixels: int | None = None, what: str = "the bytes") -> Image.Image:
    """The RGB picture in ``data``, the content of an image file; ``what`` names it in errors.

    Raises `ImageError` with its reason, whatever the bytes are. ``max_pixels`` is 179 million unless given.
    Safe to call from several threads.
    """
    if not data:
        raise ImageError("empty", f"expected an image, got {what}, which is empty (0 bytes)")
    most = max_pixels or 2 * (Image.MAX_IMAGE_PIXELS or 0)
    try:
        with Image.open(BytesIO(data), formats=_FORMATS) as image:
            if most and image.width * image.height > most:
                raise Image.DecompressionBombError
            return _to_rgb(image)
    except UnidentifiedImageError:
        raise ImageError(
            "not an image", f"expected an image, got {what}, whose content is of no known image format"
        ) from None
    except Image.DecompressionBombError:
        raise ImageError(
            "decompression bomb",
            f"expected at most {most:,} pixels, got more in {what} "
            "(it could be a decompression bomb); make it smaller first",
        ) from None
    except MemoryError:  # of this machine now, which says nothing of the picture
        raise
    except Exception as error:  # Pillow's decoders raise almost anything on hostile bytes
        reason = "truncated" if "truncat" in str(error).lower() else "corrupt"
        raise ImageError(reason, f"{what} is truncated or corrupt ({error!r}); get a whole copy of it") from None


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


def _from_array(array: np.ndarray) -> Image.Image:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)) or 0 in array.shape:
        raise InputError(f"read_image: expected an array of shape (h, w), (h, w, 3) or (h, w, 4), got {array.shape}")
    if np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all() or array.min() < 0 or array.max() > 1:
            raise InputError("read_image: expected a float array of finite values in [0, 1]; rescale it, or pass uint8")
        array = np.rint(array * 255).astype(np.uint8)
    if array.dtype != np.uint8:
        raise InputError(f"read_image: expected uint8 or float pixels, got {array.dtype}")
    return Image.fromarray(array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array)


def _to_rgb(image: Image.Image) -> Image.Image:
    image = _upright(image)
    if image.mode.startswith("I") or image.mode == "F":
        return _deep_grey_to_rgb(image)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # broken EXIF data says nothing of the rotation, and does not spoil the pixels
        return image


def _deep_grey_to_rgb(image: Image.Image) -> Image.Image:
    """16- and 32-bit grey: PIL's own conversion clips at 255, so scale by the range of the mode first."""
    values = np.asarray(image, dtype=np.float64)
    top = 65535.0 if image.mode.startswith("I") else (1.0 if values.max() <= 1 else 255.0)
    grey = np.rint(np.clip(values / top, 0, 1) * 255).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")
