"""`Pictures`: a result of rows of images, which show and save themselves."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps
from PIL.PngImagePlugin import PngInfo

from clipspace.errors import InputError
from clipspace.files import atomically, check_writable
from clipspace.points.embeddings import Embeddings
from clipspace.results.provenance import Provenance
from clipspace.results.result import Result
from clipspace.results.table import Table
from clipspace.results.text import FEW_ROWS, as_text
from clipspace.scenes.fonts import label_font

_SIDE, _GAP, _LINE, _TEXT = 112, 6, 16, 12
"""Smallest side of a cell, and gap, line height and text size at that side, in pixels; all scale with the cell."""
_FRAME, _MP4, _NOTEBOOK = 224, 256, 256
"""Smallest side in pixels of a frame of an animation and of a video; largest side of a cell in a notebook."""
_SMOOTH = Image.Resampling.LANCZOS
_INK, _PAPER = (34, 34, 38), (255, 255, 255)
ANIMATIONS = (".gif", ".webp", ".mp4")
_IMAGE = "image "
"""Start of the name of each image in the file of arrays, before its row and its column."""


@dataclass(frozen=True, eq=False)
class Pictures(Result):
    """Rows of images, and everything needed to draw, check and repeat them: a `Result` that also shows its images.

    ``rows`` holds PIL images, row by row; ``labels["rows"]`` and ``labels["columns"]`` name them, where there are names.
    ``embeddings`` are the points that were decoded, row by row. The table has one row per image that was scored, under
    the keys ``row`` and ``column``, counted from 0. In a notebook it shows its images.
    """

    rows: Sequence[Sequence[Image.Image]] = ()

    @classmethod
    def of(
        cls,
        rows: Sequence[Sequence[Image.Image]],
        embeddings: Embeddings,
        provenance: Provenance,
        *,
        row_labels: Sequence[str] | None = None,
        column_labels: Sequence[str] | None = None,
        scores: Mapping[str, np.ndarray] | None = None,
        arrays: Mapping[str, np.ndarray] | None = None,
    ) -> Pictures:
        """The `Pictures` that ``provenance.call`` made. ``scores`` are arrays ``(rows, columns)``, one number per image."""
        labels = {"rows": row_labels, "columns": column_labels}
        labels = {name: list(texts) for name, texts in labels.items() if texts is not None}
        table = _scores_table(scores or {})
        return cls(provenance.call, table, (), arrays or {}, labels, provenance, embeddings, rows)

    def __repr__(self) -> str:
        head = f"Pictures({self.name}: {len(self.images)} images in {len(self.rows)} rows)"
        return "\n".join([head, as_text(self.table.cells(), most=FEW_ROWS)]).rstrip()

    @property
    def images(self) -> list[Image.Image]:
        """All images, row by row."""
        return [image for row in self.rows for image in row]

    @property
    def scores(self) -> dict[str, np.ndarray]:
        """The measures of the table, each as an array ``(rows, columns)``."""
        if not len(self.table):
            return {}
        shape = (max(self.column("row")) + 1, max(self.column("column")) + 1)
        return {
            name: np.array(self.column(name)).reshape(shape)
            for name in self.table.columns
            if name not in self.table.keys
        }

    @property
    def side(self) -> int:
        """Pixels of the longer side of most of the images: what the decoder draws."""
        return Counter(max(image.size) for image in self.images).most_common(1)[0][0]

    def sheet(self, *, side: int | None = None) -> Image.Image:
        """The labelled grid as one image, its cells ``side`` pixels: those of the images when None, or 112 if fewer."""
        side = max(_SIDE, self.side) if side is None else side
        return draw_sheet(
            self.rows, row_labels=self.labels.get("rows"), column_labels=self.labels.get("columns"), side=side
        )

    def save(
        self,
        path: str | Path,
        *,
        name: str | None = None,
        overwrite: bool = False,
        fps: float = 12,
        ping_pong: bool = False,
    ) -> Path:
        """Write a grid (``.png``), an animation of the first row (``.gif``, ``.webp``, ``.mp4``), or all (``.json``).

        A ``.json`` is what `load_result` reads, with its arrays, images and numbers beside it. In the others images keep
        their own pixels; those of fewer than 112 (224 in an animation, 256 in a video) are enlarged to that.
        ``ping_pong`` adds the way back, without the two ends, so that a player that repeats it never jumps.
        A PNG carries the provenance in its text chunk ``clipspace``. MP4 needs ``clipspace[video]``.
        """
        path = Path(path)
        if path.suffix.lower() == ".json" or name is not None:
            return super().save(path, name=name)
        path = check_target(path, overwrite=overwrite)
        if fps <= 0:
            raise InputError(f"save: expected fps above 0, got {fps}")
        with atomically(path, overwrite=overwrite) as part:
            if path.suffix.lower() == ".png":
                info = PngInfo()
                info.add_text("clipspace", json.dumps(self.provenance.to_dict(), sort_keys=True))
                self.sheet().save(part, pnginfo=info)
            else:
                self._animate(part, path.suffix.lower(), fps, ping_pong)
        return path

    def _animate(self, part: Path, suffix: str, fps: float, ping_pong: bool) -> None:
        frames = [*self.rows[0], *(self.rows[0][-2:0:-1] if ping_pong else ())]
        if suffix == ".mp4":
            _write_mp4(part, [_fit(image, max(_MP4, self.side + self.side % 2)) for image in frames], fps)
            return
        first, *other_frames = [_fit(image, max(_FRAME, self.side)) for image in frames]
        first.save(part, save_all=True, append_images=other_frames, duration=round(1000 / fps), loop=0)

    def _all_arrays(self) -> dict[str, np.ndarray]:
        images = {
            f"{_IMAGE}{i} {j}": np.asarray(image.convert("RGB"))
            for i, row in enumerate(self.rows)
            for j, image in enumerate(row)
        }
        return {**super()._all_arrays(), **images}

    _repr_html_ = None  # a notebook prefers HTML to an image: it would show the table alone

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.sheet(side=min(max(_SIDE, self.side), _NOTEBOOK)).save(buffer, "PNG")
        return buffer.getvalue()


def rows_of(arrays: dict[str, np.ndarray]) -> list[list[Image.Image]]:
    """The rows of images among the arrays that `Pictures.save` wrote; they are taken out of ``arrays``."""
    rows: dict[int, list[Image.Image]] = {}
    for name in [name for name in arrays if name.startswith(_IMAGE)]:
        row = int(name.removeprefix(_IMAGE).split()[0])
        rows.setdefault(row, []).append(Image.fromarray(arrays.pop(name)))
    return list(rows.values())


def stacked(rows: Sequence[Sequence[Image.Image]]) -> np.ndarray:
    """Rows of images of one size as uint8 ``(rows, columns, h, w, 3)``."""
    return np.stack([[np.asarray(image.convert("RGB")) for image in row] for row in rows])


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


def _scores_table(scores: Mapping[str, np.ndarray]) -> Table:
    """One row for each image, under its place."""
    shapes = {np.shape(values) for values in scores.values()}
    places = np.ndindex(*shapes.pop()) if len(shapes) == 1 else []
    rows = [
        {"row": i, "column": j, **{name: float(values[i, j]) for name, values in scores.items()}} for i, j in places
    ]
    return Table(rows, ("row", "column"))


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
