"""`Pictures`: rows of images with labels, scores and provenance, which show and save themselves."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from clipspace.embeddings import Embeddings
from clipspace.errors import InputError
from clipspace.saving import atomically, check_writable

_SIDE, _GAP, _LINE = 112, 6, 16
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

    @property
    def images(self) -> list[Image.Image]:
        """All images, row by row."""
        return [image for row in self.rows for image in row]

    def sheet(self) -> Image.Image:
        """The labelled grid as one picture."""
        return draw_sheet(self.rows, row_labels=self.row_labels, column_labels=self.column_labels)

    def save(self, path: str | Path, *, overwrite: bool = False, fps: float = 12, ping_pong: bool = False) -> Path:
        """Write a grid (``.png``) or an animation of the first row (``.gif``, ``.webp``, ``.mp4``).

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
                _write_mp4(part, frames, fps)
            else:
                first, *rest = [_enlarge(image, 2 * _SIDE) for image in frames]
                first.save(part, save_all=True, append_images=rest, duration=round(1000 / fps), loop=0)
        return path

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.sheet().save(buffer, "PNG")
        return buffer.getvalue()


def check_target(path: str | Path, *, overwrite: bool = False) -> Path:
    """``path`` if `Pictures.save` can write there, else `InputError`. Ask before work starts."""
    path = check_writable(path, overwrite=overwrite)
    if path.suffix.lower() not in (".png", *ANIMATIONS):
        raise InputError(f"save: expected a .png, .gif, .webp or .mp4 file, got {path.name!r}")
    return path


def draw_sheet(rows, *, row_labels=None, column_labels=None) -> Image.Image:
    """``rows`` of images as one labelled picture. Labels wrap to the width of their cell."""
    columns = max(len(row) for row in rows)
    left = (
        _GAP
        if row_labels is None
        else _GAP + max(int(_font().getlength(line)) for label in row_labels for line in label.split("\n")) + _GAP
    )
    heads = [_wrap(label, _SIDE) for label in column_labels or []]
    top = _GAP + _LINE * max((len(head) for head in heads), default=0)
    sheet = Image.new("RGB", (left + columns * (_SIDE + _GAP), top + len(rows) * (_SIDE + _GAP)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for j, head in enumerate(heads):
        centre = left + j * (_SIDE + _GAP) + _SIDE / 2
        draw.multiline_text((centre, top - 3), "\n".join(head), fill=_INK, font=_font(), anchor="md", align="center")
    for i, row in enumerate(rows):
        y = top + i * (_SIDE + _GAP)
        if row_labels is not None:
            draw.multiline_text((_GAP, y + _SIDE / 2), row_labels[i], fill=_INK, font=_font(), anchor="lm")
        for j, image in enumerate(row):
            sheet.paste(_enlarge(image, _SIDE), (left + j * (_SIDE + _GAP), y))
    return sheet


def _enlarge(image: Image.Image, side: int) -> Image.Image:
    return image.resize((side, side), Image.Resampling.LANCZOS)


def _wrap(label: str, width: int) -> list[str]:
    lines: list[str] = []
    for paragraph in label.split("\n"):
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            if line and _font().getlength(longer) > width:
                lines.append(line)
                line = word
            else:
                line = longer
        lines.append(line)
    return lines


def _font() -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(12)


def _write_mp4(path: Path, frames: Sequence[Image.Image], fps: float) -> None:
    try:
        import imageio.v3 as imageio
    except ImportError:
        raise InputError("save: MP4 needs the video extra; pip install 'clipspace[video]', or save a .gif") from None
    stack = np.stack([np.asarray(_enlarge(frame, 256)) for frame in frames])
    imageio.imwrite(path, stack, plugin="pyav", codec="libx264", fps=fps)
