"""Reading a factor off an image without any CLIP: colour distances, and analysis by synthesis.

Decoded images have to be judged by something other than the encoder that made them. These readers know
the renderer and nothing else. They are meant for images of one thing and no card.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image

from clipspace.scenes.rendering import RESOLUTION, render
from clipspace.scenes.spec import COLORS, GROUNDS, SIZES, Scene, Thing
from clipspace.scenes.things import BARK, CRUST, INK, LEAF, PALE, THINGS, TYRE

_CROP = 20
_TILTS = tuple(range(-45, 46, 15))
_DISTANCE = 40.0
"""Euclidean RGB distance from the ground at which a pixel belongs to the thing."""
_PAINT = 8.0
"""Euclidean RGB distance within which a pixel has the colour of a ground."""
_GROUND_SHARE = 0.55
"""Least share of pixels in one ground's colour: 700 scenes have .61 or more, 250 photographs .16, 1,000 of CIFAR-10 .45."""


def is_scene(image: Image.Image) -> bool:
    """Whether most pixels have the colour of one ground: readers know rendered scenes, and nothing else."""
    pixels = np.asarray(image.convert("RGB"), dtype=float)
    near = [np.linalg.norm(pixels - color, axis=-1) < _PAINT for color in GROUNDS.values()]
    return max(float(is_near.mean()) for is_near in near) > _GROUND_SHARE


def read_scene(image: Image.Image) -> dict[str, str | None]:
    """Colour, thing and ground of an image of one thing, as ``{factor: value}``; None where nothing is read."""
    return {"color": read_color(image), "thing": read_thing(image), "ground": read_ground(image)}


def read_ground(image: Image.Image) -> str:
    """The ground whose colour is nearest to the median of the image's border."""
    return _nearest(_border(np.asarray(image, dtype=float)), GROUNDS)


def read_color(image: Image.Image) -> str | None:
    """The body colour that most pixels off the ground are nearest to; None for an empty image.

    Pixels nearer to a fixed colour of some drawing (bark, leaf, tyre …) than to any body colour do not vote.
    """
    pixels = np.asarray(image, dtype=float)
    off = pixels[_mask(pixels)]
    if not len(off):
        return None
    names = list(COLORS)
    fixed = [_rgb(code) for code in (BARK, LEAF, TYRE, INK, CRUST, PALE)]
    palette = np.array([*COLORS.values(), *fixed], dtype=float)
    votes = np.bincount(_nearest_colors(off, palette), minlength=len(palette))[: len(names)]
    return names[int(votes.argmax())]


def read_thing(image: Image.Image) -> str | None:
    """The kind whose rendering, at the best tilt, is nearest to the image's thing; None for an empty image."""
    color = read_color(image)
    crop = _crop(np.asarray(image, dtype=float))
    if color is None or crop is None:
        return None
    kinds, templates = _templates(read_ground(image), color)
    return kinds[int(((templates - crop) ** 2).mean(axis=(1, 2, 3)).argmin())]


def read_size(image: Image.Image) -> str | None:
    """The size whose diameter is nearest to the side of the thing's bounding square; None for an empty image."""
    square = _bounds(_mask(np.asarray(image, dtype=float)))
    if square is None:
        return None
    side = 2 * square[2] / image.width * RESOLUTION
    return min(SIZES, key=lambda name: abs(SIZES[name] * 0.9 - side))


def read_x(image: Image.Image) -> float | None:
    """The middle of the thing's bounding square as a fraction of the width; None for an empty image."""
    square = _bounds(_mask(np.asarray(image, dtype=float)))
    return None if square is None else float((square[0] + 0.5) / image.width)


def read_y(image: Image.Image) -> float | None:
    """The middle of the thing's bounding square as a fraction of the height; None for an empty image."""
    square = _bounds(_mask(np.asarray(image, dtype=float)))
    return None if square is None else float((square[1] + 0.5) / image.height)


def read_in_color(image: Image.Image, color: str, kinds: Sequence[str]) -> tuple[str, float] | None:
    """Which of ``kinds`` is drawn in ``color``, and its side in pixels; None where nothing is of that colour.

    For images of two plain things of different colours: only pixels nearest to ``color`` are looked at.
    """
    silhouette = _silhouette(np.asarray(image, dtype=float), color)
    if silhouette is None:
        return None
    shape, side = silhouette
    errors = {kind: ((_silhouettes(kind, color) - shape) ** 2).mean(axis=(1, 2)).min() for kind in kinds}
    return min(errors, key=lambda kind: float(errors[kind])), side


@lru_cache(maxsize=len(COLORS) * len(THINGS))
def _silhouettes(kind: str, color: str) -> np.ndarray:
    things = (Thing(kind, color, rotation=tilt) for tilt in _TILTS)
    silhouettes = [_silhouette(np.asarray(render(Scene("white", (thing,))), dtype=float), color) for thing in things]
    return np.stack([shape for shape, _ in filter(None, silhouettes)])


def _silhouette(pixels: np.ndarray, color: str) -> tuple[np.ndarray, float] | None:
    """The bounding square of the pixels nearest to ``color``, as a small mask, and its side in pixels."""
    fixed = [_rgb(code) for code in (BARK, LEAF, TYRE, INK, CRUST, PALE)]
    palette = np.array([COLORS[color], *(c for name, c in COLORS.items() if name != color), *fixed, *GROUNDS.values()])
    mine = _nearest_colors(pixels, palette) == 0
    square = _bounds(mine)
    if square is None:
        return None
    cx, cy, half = square
    mask = Image.fromarray(np.pad(mine * 255, 64).astype(np.uint8))
    box = (cx - half + 64, cy - half + 64, cx + half + 64, cy + half + 64)
    return np.asarray(mask.resize((_CROP, _CROP), Image.Resampling.BOX, box=box), dtype=float) / 255, 2 * half


@lru_cache(maxsize=len(COLORS) * len(GROUNDS))
def _templates(ground: str, color: str) -> tuple[list[str], np.ndarray]:
    kinds, crops = [], []
    for kind in THINGS:
        for tilt in _TILTS:
            crop = _crop(np.asarray(render(Scene(ground, (Thing(kind, color, rotation=tilt),))), dtype=float))
            if crop is not None:
                kinds.append(kind)
                crops.append(crop)
    return kinds, np.stack(crops)


def _crop(pixels: np.ndarray) -> np.ndarray | None:
    """The thing's bounding square, resized; None where nothing stands out from the ground."""
    square = _bounds(_mask(pixels))
    if square is None:
        return None
    cx, cy, half = square
    canvas = Image.fromarray(np.pad(pixels, ((64, 64), (64, 64), (0, 0)), mode="edge").astype(np.uint8))
    box = (cx - half + 64, cy - half + 64, cx + half + 64, cy + half + 64)
    return np.asarray(canvas.resize((_CROP, _CROP), Image.Resampling.BOX, box=box), dtype=float)


def _bounds(mask: np.ndarray) -> tuple[float, float, float] | None:
    """Centre and half side of the bounding square of ``mask``, in pixels; None where it is all but empty."""
    rows, columns = np.nonzero(mask)
    if len(rows) < 12:
        return None
    (top, bottom), (left, right) = np.percentile(rows, (0.5, 99.5)), np.percentile(columns, (0.5, 99.5))
    return (left + right) / 2, (top + bottom) / 2, max(bottom - top, right - left) / 2 + 1


def _mask(pixels: np.ndarray) -> np.ndarray:
    return np.linalg.norm(pixels - _border(pixels), axis=-1) > _DISTANCE


def _border(pixels: np.ndarray) -> np.ndarray:
    edge = np.concatenate(
        [
            pixels[:2].reshape(-1, 3),
            pixels[-2:].reshape(-1, 3),
            pixels[:, :2].reshape(-1, 3),
            pixels[:, -2:].reshape(-1, 3),
        ]
    )
    return np.median(edge, axis=0)


def _nearest_colors(pixels: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """For each pixel ``(…, 3)`` the number of the colour of ``palette`` ``(k, 3)`` at the least Euclidean distance, the first of equals.

    By squared distances less the square of the pixel: whole numbers, as all colours are, and so exact.
    """
    palette = palette.astype(float)
    return ((palette**2).sum(axis=1) - 2 * (pixels @ palette.T)).argmin(axis=-1)


def _nearest(color: np.ndarray, palette: dict[str, tuple[int, int, int]]) -> str:
    return min(palette, key=lambda name: float(np.linalg.norm(color - np.array(palette[name]))))


def _rgb(code: str) -> tuple[int, int, int]:
    return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)
