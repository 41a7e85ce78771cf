"""Text files that users give: their encoding, and the separator of their tables."""

from __future__ import annotations

import codecs
from pathlib import Path

from clipspace.errors import InputError
from clipspace.points.interchange.paths import kind_of

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read_text(path: Path) -> str:
    """A text file in UTF-8, or in the encoding that its byte order mark says. Raises `InputError` for any other."""
    data = path.read_bytes()
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
        problem = None
    except UnicodeDecodeError as error:
        problem = f"byte 0x{data[error.start]:02x} at {error.start}, as in Latin-1 or Windows-1252"
    if encoding == "utf-8" and b"\0" in data:
        problem = "zero bytes, as in UTF-16 without a mark or in a binary file"
    if problem:
        raise InputError(f"{str(path)!r}: expected text in UTF-8, got {problem}; save it as UTF-8")
    return text


def separator_of(file: Path, text: str) -> str:
    """What parts the cells of a table: a tabulator in a .tsv file, else what the first line has more of, "," or ";"."""
    first = text.split("\n", 1)[0]
    return "\t" if kind_of(file) == ".tsv" else ";" if first.count(";") > first.count(",") else ","
