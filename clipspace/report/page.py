"""One HTML page that opens offline: sections of figures with their numbers, provenance and commands."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image, UnidentifiedImageError

from clipspace.errors import InputError
from clipspace.files import atomically

_NUMBER = re.compile(r"\s*([-+]?(?:\d[\d,]*\.?\d*(?:e[-+]?\d+)?|\.\d+|inf\b|nan\b))", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Section:
    """One part of a page, in the order it is read.

    Parameters
    ----------
    title : heading, and entry of the table of contents
    question : what the section asks
    seen : what the images show
    pictures : names of image files beside the page, or the bytes of image files, to embed
    table : rows of text and numbers, the first the header
    files : names of files beside the page to link to
    provenance : what the numbers were made with, plain values by name
    command : the shell command that makes the section again
    data : what it was computed on, or why it was not: its first line
    caption : what the images show, below them
    """

    title: str
    question: str = ""
    seen: str = ""
    pictures: Sequence[str | bytes] = ()
    table: Sequence[Sequence[Any]] = ()
    files: Sequence[str] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""
    data: str = ""
    caption: str = ""

    def __post_init__(self) -> None:
        if len({len(row) for row in self.table}) > 1:
            raise InputError(
                f"Section {self.title!r}: expected rows of one length, got {sorted({len(row) for row in self.table})}"
            )


_TEXTS = ("title", "data", "question", "seen", "caption", "provenance", "command")
"""Fields of a section that its view holds as they are."""


def write_page(
    path: str | Path,
    title: str,
    sections: Sequence[Section],
    *,
    intro: str = "",
    explorer: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write the page and return its path; ``explorer`` is what `clipspace.report.explorer.explorer` made.

    Everything it needs is in it but the images and files named, which lie beside it. Its security policy
    forbids the browser any request to another host.
    """
    path = Path(path)
    views = [_view(section, path.parent) | {"id": _anchor(i, section.title)} for i, section in enumerate(sections, 1)]
    text = render("page.html", title=title, intro=intro, sections=views, explorer=Markup(explorer or ""))
    with atomically(path, overwrite=overwrite) as part:
        part.write_text(text, encoding="utf-8", errors="replace")
    return path


def render(template: str, **values: Any) -> str:
    """A template of this package, filled in; every value is escaped but `Markup`."""
    loader = PackageLoader("clipspace.report")
    pages = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    pages.globals["source"] = lambda name: Markup(loader.get_source(pages, name)[0])
    pages.filters["plain"] = _plain
    return pages.get_template(template).render(**values)


def data_uri(data: bytes) -> str:
    """The bytes of an image file as text that a page can show."""
    with Image.open(io.BytesIO(data)) as image:
        kind = image.get_format_mimetype()
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _view(section: Section, folder: Path) -> dict[str, Any]:
    """The values of a section for the template."""
    view = {name: getattr(section, name) for name in _TEXTS}
    view["files"] = [_beside(name, folder, section.title).name for name in section.files]
    view["pictures"] = [_picture(picture, folder, section.title) for picture in section.pictures]
    head, *rows = [[_cell(value) for value in row] for row in section.table] or [[]]
    columns = list(zip(*rows, strict=True)) or [()] * len(head)
    numeric = [any(c["text"] for c in column) and all(c["numeric"] for c in column) for column in columns]
    view["head"] = [{"text": cell["text"], "numeric": is_number} for cell, is_number in zip(head, numeric, strict=True)]
    view["rows"] = [list(zip(row, numeric, strict=True)) for row in rows]
    return view


def _picture(picture: str | bytes, folder: Path, title: str) -> dict[str, Any]:
    source: Any = io.BytesIO(picture) if isinstance(picture, bytes) else _beside(picture, folder, title)
    try:
        with Image.open(source) as image:
            size = image.size
    except (OSError, UnidentifiedImageError) as error:
        raise InputError(f"Section {title!r}: expected an image, got {str(source)!r} ({error})") from None
    return {"source": data_uri(picture) if isinstance(picture, bytes) else source.name, "size": size}


def _beside(name: str, folder: Path, title: str) -> Path:
    path = folder / name
    if Path(name).name != name or not path.is_file():
        raise InputError(
            f"Section {title!r}: expected the name of a file beside the page, in {str(folder)!r}, got {name!r}"
        )
    return path


def _cell(value: Any) -> dict[str, Any]:
    """A value as shown, and the number it is sorted by: itself, or the number that its text begins with."""
    if value is None:
        return {"text": "", "order": "", "numeric": True}
    if isinstance(value, (bool, str)) or not hasattr(value, "__float__"):
        text = str(value)
        leading_number = _NUMBER.match(text.replace("−", "-"))
        return {
            "text": text,
            "order": _order(float(leading_number[1].replace(",", ""))) if leading_number else text,
            "numeric": bool(leading_number),
        }
    number = float(value)
    text = f"{number:,.0f}" if number.is_integer() or abs(number) >= 1000 else f"{number:.3g}"
    return {"text": text.replace("-", "−"), "order": _order(number), "numeric": True}


def _order(number: float) -> str:
    """A number as JavaScript reads it; nothing for what is no number."""
    return "" if math.isnan(number) else repr(number).replace("inf", "Infinity")


def _anchor(i: int, title: str) -> str:
    """The anchor of a section in the page's address."""
    return f"{i}-{re.sub(r'[^a-z0-9]+', '-', title.lower())}".strip("-")


def _plain(value: Any) -> str:
    """A value of the provenance on one line."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
