"""Many thumbnails in a few images: a page loads a dozen sheets sooner than 20,000 images."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from clipspace.files import atomically
from clipspace.report.page import data_uri
from clipspace.sources.images import read_image, square

SIDES = (64, 48, 32)
"""Possible widths of a tile in pixels, the widest first."""
_PIXELS = 24_000_000  # largest number of pixels of all sheets together: about 10 MB of WebP, 100 MB once a browser has decoded them
_ACROSS = 32  # tiles across and down a sheet, at most 2048 pixels wide, which every phone can draw
_FORMATS: tuple[dict[str, Any], ...] = (
    {"format": "WEBP", "quality": 80},
    {"format": "JPEG", "quality": 80, "optimize": True},
    {"format": "PNG"},
)


@dataclass(frozen=True)
class Sprites:
    """Square tiles of ``side`` pixels, ``across`` in a row, in ``sheets``: addresses of ``per_sheet`` tiles each."""

    side: int
    across: int
    per_sheet: int
    sheets: Sequence[str]


def pack(thumbnails: Sequence[Image.Image]) -> Sprites:
    """The centre squares of ``thumbnails``, in order, on as few sheets as they need.

    Tiles are 64, 48 or 32 pixels wide, the widest that keeps all sheets below 24 million pixels. The format is the
    smallest of WebP, JPEG and PNG for the first sheet.
    """
    side = next((side for side in SIDES if side**2 * len(thumbnails) <= _PIXELS), SIDES[-1])
    options: dict[str, Any] = {}
    sheets = []
    for start in range(0, len(thumbnails), _ACROSS**2):
        sheet = _sheet(thumbnails[start : start + _ACROSS**2], side)
        options = options or min(_FORMATS, key=lambda tried: len(_encoded(sheet, tried)))
        sheets.append(data_uri(_encoded(sheet, options)))
    return Sprites(side, _ACROSS, _ACROSS**2, sheets)


def beside(sprites: Sprites, folder: Path, *, overwrite: bool = False) -> Sprites:
    """The same tiles with their sheets as files in ``folder``, whose addresses are relative to the folder it is in."""
    folder.mkdir(parents=True, exist_ok=True)
    addresses = []
    for i, sheet in enumerate(sprites.sheets):
        head, data = sheet.split(";base64,")
        file = folder / f"{i:04}.{head.rpartition('/')[2]}"
        with atomically(file, overwrite=overwrite) as part:
            part.write_bytes(base64.b64decode(data))
        addresses.append(quote(f"{folder.name}/{file.name}"))
    return replace(sprites, sheets=addresses)


def _sheet(images: Sequence[Image.Image], side: int) -> Image.Image:
    rows = -(-len(images) // _ACROSS)
    sheet = Image.new("RGB", (_ACROSS * side, rows * side))
    for i, image in enumerate(images):
        sheet.paste(square(read_image(image), side), (i % _ACROSS * side, i // _ACROSS * side))
    return sheet


def _encoded(sheet: Image.Image, options: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    sheet.save(buffer, **options)
    return buffer.getvalue()
