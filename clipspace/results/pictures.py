"""`Pictures`: rows of images with labels, scores and provenance, which show and save themselves."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps
from PIL.PngImagePlugin import PngInfo

from clipspace.errors import InputError
from clipspace.files import atomically, check_writable
from clipspace.points.embeddings import Embeddings
from clipspace.reprs import brief
from clipspace.scenes.fonts import label_font

_SIDE, _GAP, _LINE, _TEXT = 112, 6, 16, 12
"""Least pixels of a cell, and what is between cells, a line and the text of such a cell; all grow with it."""
_FRAME, _MP4, _NOTEBOOK = 224, 256, 256
"""Least pixels of a frame of an animation and of a video, most of a cell in a notebook."""
_SMOOTH = Image.Resampling.LANCZOS
_INK, _PAPER = (34, 34, 38), (255, 255, 255)
ANIMATIONS = (".gif", ".webp", ".mp4")


@dataclass(frozen=True, eq=False)
class Pictures:
    """What a manipulation returns: a grid of images and all that is needed to draw, check and repeat it.

    ``rows`` holds PIL images, row by row. ``embeddings`` are the points that were decoded, row by row,
    ``scores`` named arrays of one number per image, shape ``(n_rows, n_columns)``; ``provenance`` the call
    that made it. In a notebook it shows itself.
    """

    rows: Sequence[Sequence[Image.Image]]
    embeddings: Embeddings
    provenance: Mapping[str, Any]
    row_labels: Sequence[str] | None = None
    column_labels: Sequence[str] | None = None
    scores: Mapping[str, np.ndarray] = field(default_factory=dict)

    __repr__ = brief

    @property
    def images(self) -> list[Image.Image]:
        """All images, row by row."""
        return [image for row in self.rows for image in row]

    @property
    def side(self) -> int:
        """Pixels of the longer side of most of the images: what the decoder draws."""
        return Counter(max(image.size) for image in self.images).most_common(1)[0][0]

    def sheet(self, *, side: int | None = None) -> Image.Image:
        """The labelled grid as one image, its cells ``side`` pixels: those of the images when None, or 112 if fewer."""
        side = max(_SIDE, self.side) if side is None else side
        return draw_sheet(self.rows, row_labels=self.row_labels, column_labels=self.column_labels, side=side)

    def save(self, path: str | Path, *, overwrite: bool = False, fps: float = 12, ping_pong: bool = False) -> Path:
        """Write a grid (``.png``) or an animation of the first row (``.gif``, ``.webp``, ``.mp4``).

        Images keep their own pixels; those of fewer than 112 (224 in an animation, 256 in a video) are enlarged to that.
        ``ping_pong`` adds the way back, without the two ends, so that a player that repeats it never jumps.
        A PNG carries the provenance in its text chunk ``clipspace``. MP4 needs ``clipspace[video]``.
        """
        path = check_target(path, overwrite=overwrite)
        suffix = path.suffix.lower()
        if fps <= 0:
            raise InputError(f"save: expected fps above 0, got {fps}")
        frames = [*self.rows[0], *(self.rows[0][-2:0:-1] if ping_pong else ())]
        with atomically(path, overwrite=overwrite) as part:
            if suffix == ".png":
                info = PngInfo()
                info.add_text("clipspace", json.dumps(self.provenance, sort_keys=True))
                self.sheet().save(part, pnginfo=info)
            elif suffix == ".mp4":
                _write_mp4(part, [_fit(image, max(_MP4, self.side + self.side % 2)) for image in frames], fps)
            else:
                first, *rest = [_fit(image, max(_FRAME, self.side)) for image in frames]
                first.save(part, save_all=True, append_images=rest, duration=round(1000 / fps), loop=0)
        return path

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.sheet(side=min(max(_SIDE, self.side), _NOTEBOOK)).save(buffer, "PNG")
        return buffer.getvalue()


def check_target(path: str | Path, *, overwrite: bool = False) -> Path:
    """``path`` if `Pictures.save` can write there, else `InputError`. Ask before work starts."""
    path = check_writable(path, overwrite=overwrite)
    if path.suffix.lower() not in (".png", *ANIMATIONS):
        raise InputError(f"save: expected a .png, .gif, .webp or .mp4 file, got {path.name!r}")
    return path


def draw_sheet(rows, *, row_labels=None, column_labels=None, side: int = _SIDE) -> Image.Image:
    """``rows`` of images as one labelled image, each in a cell of ``side`` pixels. Labels wrap to the width of their cell."""
    scale = side / _SIDE
    gap, line = round(_GAP * scale), round(_LINE * scale)
    font = label_font([*(row_labels or []), *(column_labels or [])], round(_TEXT * scale))
    text = {"fill": _INK, "font": font, "spacing": round((_LINE - _TEXT) * scale)}
    columns = max(len(row) for row in rows)
    left = gap
    if row_labels is not None:
        left += gap + max(int(font.getlength(part)) for label in row_labels for part in label.split("\n"))
    heads = [_wrap(label, side, font) for label in column_labels or []]
    top = gap + line * max((len(head) for head in heads), default=0)
    sheet = Image.new("RGB", (left + columns * (side + gap), top + len(rows) * (side + gap)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for j, head in enumerate(heads):
        where = (left + j * (side + gap) + side / 2, top - gap / 2)
        draw.multiline_text(where, "\n".join(head), anchor="md", align="center", **text)
    for i, row in enumerate(rows):
        y = top + i * (side + gap)
        if row_labels is not None:
            draw.multiline_text((gap, y + side / 2), row_labels[i], anchor="lm", **text)
        for j, image in enumerate(row):
            sheet.paste(_fit(image, side), (left + j * (side + gap), y))
    return sheet


def _fit(image: Image.Image, side: int) -> Image.Image:
    """``image`` in a square of ``side`` pixels, its shape kept: enlarged or reduced only where it is of another size."""
    return image if image.size == (side, side) else ImageOps.pad(image, (side, side), _SMOOTH, _PAPER)


def _wrap(label: str, width: int, font: ImageFont.FreeTypeFont) -> list[str]:
    lines: list[str] = []
    for paragraph in label.split("\n"):
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            if line and font.getlength(longer) > width:
                lines.append(line)
                line = word
            else:
                line = longer
        lines.append(line)
    return lines


def _write_mp4(path: Path, frames: Sequence[Image.Image], fps: float) -> None:
    try:
        import imageio.v3 as imageio
    except ImportError:
        raise InputError("save: MP4 needs the video extra; pip install 'clipspace[video]', or save a .gif") from None
    stack = np.stack([np.asarray(frame) for frame in frames])
    imageio.imwrite(path, stack, plugin="pyav", codec="libx264", fps=fps)
