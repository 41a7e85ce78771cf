"""Fonts for words drawn on images: one that has every character, or an error that names those it lacks."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

from PIL import ImageFont

from clipspace.errors import InputError

PILLOWS = "Pillow's own"


def load_font(text: str, size: int, font: str | Path | None = None) -> ImageFont.FreeTypeFont:
    """The font ``font``, a TrueType or OpenType file, ``size`` pixels high.

    Without one, the first that has every character of ``text``: Pillow's own (English), else matplotlib's DejaVu Sans
    (European scripts, Arabic, symbols). Raises `InputError` that names the characters that the font lacks.
    """
    candidates = [str(font)] if font else [PILLOWS, _dejavu()]
    lacking = {candidate: missing(text, candidate) for candidate in candidates}
    chosen_font = next((candidate for candidate in candidates if not lacking[candidate]), None)
    if chosen_font is not None:
        return _load(chosen_font, size)
    last = candidates[-1]
    raise InputError(
        f"expected a text of characters that the font has, got {text!r}: {_load(last, 12).getname()[0]} lacks "
        f"{', '.join(map(repr, lacking[last]))}; pass font= (--font), the path of a TrueType or OpenType font that has them"
    )


def label_font(labels: list[str], size: int) -> ImageFont.FreeTypeFont:
    """A font for labels: one that has all their characters where there is one, else the one that has most scripts."""
    try:
        return load_font("".join("".join(labels).split()), size)
    except InputError:
        return _load(_dejavu(), size)


def missing(text: str, font: str) -> list[str]:
    """The characters of ``text`` that a font file, or Pillow's own font, has no glyph for, each once."""
    characters = _characters(font)
    return [character for character in dict.fromkeys(text) if ord(character) not in characters]


@lru_cache(maxsize=16)
def _characters(font: str) -> frozenset[int]:
    """Code points that a font has a glyph for."""
    from fontTools.ttLib import TTFont, TTLibError

    content = BytesIO(_load(PILLOWS, 12).path.getvalue()) if font == PILLOWS else _existing(font)
    try:
        with TTFont(content, fontNumber=0, lazy=True) as opened:
            return frozenset(code for code, glyph in (opened.getBestCmap() or {}).items() if glyph != ".notdef")
    except (OSError, TTLibError, KeyError, ValueError) as error:
        raise InputError(f"expected a TrueType or OpenType font, got {font!r} ({error}); check the file") from None


@lru_cache(maxsize=256)
def _load(font: str, size: int) -> ImageFont.FreeTypeFont:
    if font == PILLOWS:
        return ImageFont.load_default(size)
    try:
        return ImageFont.truetype(_existing(font), size)
    except OSError as error:
        raise InputError(f"expected a font of outlines, got {font!r} ({error}); choose another") from None


def _existing(font: str) -> str:
    if not Path(font).is_file():
        raise InputError(f"expected a font file, got {font!r}, which is not there; check the path")
    return font


def _dejavu() -> str:
    """DejaVu Sans as matplotlib ships it. Matplotlib itself is not imported."""
    return str(Path(find_spec("matplotlib").origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf")
