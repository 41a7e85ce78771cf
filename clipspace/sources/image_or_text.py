"""Is a string the path of an image, or a text? One rule, for every function and command that takes both.

The name of an existing file is an image. A string that looks like a path but names no file is an error. Any other string
is a text. To choose yourself: in Python pass a ``pathlib.Path`` for an image, and call ``space.encode_texts(...)`` for
texts; on the command line write ``image:NAME`` or ``text:WORDS`` (and "text:text: …" for a text that begins with "text:").
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from clipspace.errors import InputError
from clipspace.sources import formats

_FILES = {
    ".svg", ".ico", ".psd", ".raw", ".cr2", ".cr3", ".nef", ".dng", ".arw", ".orf", ".raf", ".rw2", ".jxl", ".eps",
    ".tga", ".exr", ".hdr", ".pdf", ".mp4", ".mov", ".avi", ".mkv", ".webm", ".txt", ".csv", ".json", ".jsonl",
    ".npy", ".npz", ".pt", ".pth", ".ckpt", ".safetensors", ".parquet", ".tar", ".zip", ".gz", ".html",
}  # fmt: skip
"""Endings of files that are no images but surely files; words end in ``.com``, ``.js`` or ``. No`` as well."""

SAY_WHICH = (
    "check the path, or say which it is: image:NAME or text:WORDS on the command line, pathlib.Path(...) for an image "
    "and space.encode_texts(...) for a text in Python"
)


class Text(str):
    """A string that is always taken as a text."""

    __slots__ = ()


def is_text(item: object) -> bool:
    """Whether ``item`` is a string and a text, not a path; False for anything but a string.

    Raises `InputError` for a string that looks like a path but names no file, and for one that does not look like a path
    but names a file that is no image: either reading could be meant.

    >>> is_text("a cat and/or a dog"), is_text(Path("cat.png"))
    (True, False)
    """
    if not isinstance(item, str):
        return False
    if isinstance(item, Text):
        return True
    is_file, path_like = os.path.isfile(item), looks_like_path(item)
    if is_file and not path_like and not _holds_an_image(item):
        raise InputError(
            f"expected an image or a text, got {item!r}, which is the name of a file here that is no image; {SAY_WHICH}"
        )
    if path_like and os.path.isdir(item):
        raise InputError(f"expected an image or a text, got {item!r}, which is a folder; name one image in it")
    if path_like and not is_file:
        kind_of_path = "an address, and those are not read" if "://" in item else "a path, but no such file is there"
        raise InputError(f"expected an image or a text, got {item!r}, which looks like {kind_of_path}; {SAY_WHICH}")
    return not is_file


def looks_like_path(text: str) -> bool:
    """Whether a string has the shape of a path or an address; it need not exist.

    An address or a root at its start; the ending of a file at its end; a separator and no space, unless it stands
    between numbers ("50/50"); or a separator after a folder that is there.
    """
    text = text.strip().strip("'\"")
    if re.match(r"[A-Za-z][\w+.-]*://|[A-Za-z]:[\\/]|\\\\\w|\.{0,2}/|\.{1,2}\\|~[\w.-]*[/\\]", text):
        return True
    if os.path.splitext(re.split(r"[?#]", text)[0])[1].lower() in formats.SUFFIXES | _FILES:
        return True
    parts = re.split(r"[/\\]", text)
    if len(parts) < 2 or not parts[0]:
        return False
    numbers = all(re.fullmatch(r"[\d.,%:]*", part) for part in parts)
    return not (numbers or re.search(r"\s", text)) or os.path.isdir(text[: -len(parts[-1]) - 1])


def parse_argument(argument: str) -> str | Path:
    """An argument of the command line: ``image:NAME`` as a path, ``text:WORDS`` as `Text`, others as they are.

    Raises `InputError` where the file is not there or it can be neither, before any work (see `is_text`), and for the
    name of a folder that is there.
    """
    kind, colon, content = argument.partition(":")
    if colon and kind == "text":
        return Text(content.lstrip())
    if colon and kind == "image":
        if not os.path.isfile(content):
            raise InputError(
                f"expected an image file after 'image:', got {content!r}, which is not there; check the path"
            )
        return Path(content)
    if is_text(argument) and os.path.isdir(argument):
        raise InputError(
            f"expected an image or a text, got {argument!r}, which is the name of a folder here; name one image in it, or say "
            f"text:{argument} for the text"
        )
    return argument


def _holds_an_image(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return formats.looks_like_image(file.read(formats.HEAD_BYTES))
    except OSError:
        return False
