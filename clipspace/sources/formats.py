"""Image formats, recognised by the first bytes of a file, not by its name."""

from __future__ import annotations

import re

HEAD_BYTES = 256
"""Number of first bytes of a file that `format_of` needs."""

READ = {
    "JPEG": ("jpg", "jpeg", "jpe", "jfif", "jif"),
    "PNG": ("png", "apng"),
    "WEBP": ("webp",),
    "GIF": ("gif",),
    "BMP": ("bmp", "dib"),
    "TIFF": ("tif", "tiff"),
    "PPM": ("ppm", "pgm", "pbm", "pnm", "pfm"),
    "JPEG2000": ("jp2", "j2k", "j2c", "jpc", "jpf", "jpx"),
    "AVIF": ("avif", "avifs"),
    "HEIF": ("heic", "heif", "hif", "heics", "heifs"),
}
"""Formats that are read, by Pillow's names, with their usual suffixes. EPS and PDF are left out: they run programs."""

SUFFIXES = frozenset(f".{ending}" for endings in READ.values() for ending in endings)

_STARTS = (
    ("JPEG", rb"\xff\xd8\xff"),
    ("PNG", rb"\x89PNG\r\n\x1a\n"),
    ("GIF", rb"GIF8[79]a"),
    ("WEBP", rb"RIFF....WEBP"),
    ("BMP", rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0"),  # the last four bytes are the size of the second header
    ("TIFF", rb"(?:II[*+]\0|MM\0[*+])(?!....CR)"),  # with CR a camera's raw file, of which Pillow sees a preview
    ("PPM", rb"P[1-6]\s+[\d#]|Pf\s+\d"),
    ("JPEG2000", rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"),
)
_STARTS = tuple((name, re.compile(start, re.DOTALL)) for name, start in _STARTS)
_HEVC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_BRANDS = {**dict.fromkeys((b"avif", b"avis"), "AVIF"), **dict.fromkeys(_HEVC, "HEIF")}
_CONTAINERS = {b"mif1", b"msf1"}


def format_of(head: bytes) -> str | None:
    """The key of `READ` that a file of these first bytes is of; None where it is no image that is read.

    >>> format_of(b"\\x89PNG\\r\\n\\x1a\\n"), format_of(b"%PDF-1.7")
    ('PNG', None)
    """
    if head[4:8] == b"ftyp":
        return _of_brands(head)
    return next((name for name, start in _STARTS if start.match(head)), None)


def looks_like_image(head: bytes) -> bool:
    """Whether the first bytes of a file, `HEAD_BYTES` of them or all, are those of an image that is read."""
    return format_of(head) is not None


def is_hidden(name: str) -> bool:
    """Whether a path below a folder is of what file managers and tar leave there: ``._x``, ``.DS_Store``, ``__MACOSX/x``.

    >>> is_hidden("__MACOSX/cat.jpg"), is_hidden("cats/._1.jpg"), is_hidden("./cats/1.jpg")
    (True, True, False)
    """
    parts = (part for part in re.split(r"[/\\]", name) if part not in (".", ".."))
    return any(part.startswith((".", "PaxHeaders.")) or part in ("__MACOSX", "PaxHeader") for part in parts)


def _of_brands(head: bytes) -> str | None:
    """AVIF or HEIF by the brands of the ``ftyp`` box of an ISO media file: the major one, then the compatible ones."""
    size = int.from_bytes(head[:4], "big")
    brands = [head[8:12], *(head[i : i + 4] for i in range(16, min(size, len(head)) - 3, 4))]
    image_format = next((_BRANDS[brand] for brand in brands if brand in _BRANDS), None)
    return "HEIF" if image_format is None and brands[0] in _CONTAINERS else image_format
