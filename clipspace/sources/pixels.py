"""Pixels of every kind as RGB of 8 bits.

Their range is known: 0 to 255 of 8 bits, 0 to 65535 of unsigned 16 bits, [0, 1] of floats. One rule holds for files,
PIL images and arrays: what has no such range (signed and 32-bit integers, other floats) is refused.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

from clipspace.errors import ImageError, InputError

_SUBFILE, _SUB_IFDS, _BITS, _PHOTOMETRIC = 254, 330, 258, 262
"""Tags of TIFF: whether it is a preview, where other images are, bits of each channel, whether white is zero."""


def from_array(array: np.ndarray) -> Image.Image:
    """The image of an array (h, w) or (h, w, c) of c = 1, 3 or 4. Raises `InputError` for other shapes and ranges."""
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)) or 0 in array.shape:
        raise InputError(f"read_image: expected an array of shape (h, w), (h, w, 3) or (h, w, 4), got {array.shape}")
    pixels = _eight_bits(array, "the array")
    return Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)


def _eight_bits(pixels: np.ndarray, what: str, *, top: int = 65535) -> np.ndarray:
    """Pixels as uint8: those of unsigned 16 bits by their range, 0 to ``top``; floats must be in [0, 1].

    Raises `ImageError` for pixels of no known range.
    """
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype.kind == "u" and pixels.dtype.itemsize == 2:
        return np.rint(pixels / top * 255).astype(np.uint8)
    if pixels.dtype.kind != "f":
        raise ImageError(
            "no stated range",
            f"expected pixels of uint8, uint16 or floats in [0, 1], got {pixels.dtype} in {what}, whose range is not "
            "stated; rescale it to 0..255 and convert it to uint8",
        )
    if not np.isfinite(pixels).all():
        raise ImageError(
            "not finite", f"expected finite pixels in [0, 1], got NaN or infinity in {what}; replace them first"
        )
    low, high = pixels.min(), pixels.max()
    if low < 0 or high > 1:
        raise ImageError(
            "no stated range",
            f"expected float pixels in [0, 1], got {low:g} to {high:g} in {what}; rescale it, or convert it to uint8",
        )
    return np.rint(pixels * 255).astype(np.uint8)


def to_rgb(image: Image.Image, what: str = "the PIL image") -> Image.Image:
    """A PIL image of any mode as RGB, upright, on white. ``what`` names it in errors."""
    if 0 in image.size:
        raise ImageError("empty", f"expected at least one pixel, got {image.width} x {image.height} in {what}")
    kind, tags = image.format, getattr(image, "tag_v2", {})
    image.load()
    if tags.get(_SUBFILE) == 1 and _SUB_IFDS in tags:
        raise ImageError(
            "a preview", f"{what} holds the small preview of a raw image; develop it to JPEG or TIFF first"
        )
    image = _upright(image)
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _deep_grey_to_rgb(image, kind, tags, what)
    if image.mode == "LAB":
        return _from_lab(image)
    if image.mode in ("La", "RGBa"):  # colours multiplied by their opacity
        image = image.convert({"La": "LA", "RGBa": "RGBA"}[image.mode])
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # broken EXIF data says nothing of the rotation, and does not spoil the pixels
        return image


def _deep_grey_to_rgb(image: Image.Image, kind: str | None, tags, what: str) -> Image.Image:
    """Grey of 16 bits, or of floats in [0, 1]: PIL's own conversion would clip both at 255."""
    pixels = np.asarray(image)
    if image.mode == "I" and kind in ("PNG", "PPM"):  # 32 bits in memory only: these files have at most 16
        pixels = pixels.astype(np.uint16)
    top = 4095 if tags.get(_BITS) == (12,) else 65535
    grey = _eight_bits(pixels, what, top=top)
    inverted = tags.get(_PHOTOMETRIC) == 0  # white is zero: Pillow sees to that for 8 bits only
    return Image.fromarray(255 - grey if inverted else grey).convert("RGB")


def _from_lab(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return ImageCms.applyTransform(image, ImageCms.buildTransform(lab, srgb, "LAB", "RGB"))
