"""From a scene to pixels: supersampled polygons, a texture in the body, a printed card on top."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from clipspace.scenes.fonts import load_font
from clipspace.scenes.spec import COLORS, GROUNDS, SIZES, Card, Scene, Thing
from clipspace.scenes.things import PAPER, THINGS

RESOLUTION = 64
_SUPERSAMPLE = 4
_CARD_ASPECT = 0.34
_INK = (20, 20, 24)


def render(scene: Scene, *, resolution: int = RESOLUTION) -> Image.Image:
    """The anti-aliased RGB image of ``scene``, ``resolution`` pixels square. Deterministic.

    >>> from clipspace.scenes import Scene, Thing, render
    >>> render(Scene("white", (Thing("apple", "red"),))).size
    (64, 64)
    """
    side = resolution * _SUPERSAMPLE
    canvas = Image.new("RGB", (side, side), GROUNDS[scene.ground])
    for thing in scene.things:
        _draw_thing(canvas, thing)
    picture = canvas.reduce(_SUPERSAMPLE)
    return picture if scene.card is None else draw_card(picture, scene.card)


def draw_card(image: Image.Image, card: Card, *, font: str | None = None) -> Image.Image:
    """``image`` with ``card`` laid over it. Works on any RGB image; returns a new one.

    ``font`` is the path of a font; see `clipspace.scenes.fonts.load_font`. Raises `InputError` for a word that it cannot write.
    """
    width = max(4, round(card.width * image.width))
    height = max(3, round(width * _CARD_ASPECT))
    patch = _card_patch(card.word, width, height, font)
    laid_over = image.copy()
    laid_over.paste(patch, (round(card.x * image.width - width / 2), round(card.y * image.height - height / 2)))
    return laid_over


def _draw_thing(canvas: Image.Image, thing: Thing) -> None:
    side = canvas.width
    radius = SIZES[thing.size] / RESOLUTION * side / 2
    centre = np.array([thing.x, thing.y]) * side
    turn = _rotation(thing.rotation)
    color = np.array(COLORS[thing.color], dtype=float)
    fills = {"dark": _mix(color, 0, 0.35), "light": _mix(color, 255, 0.55)}
    draw = ImageDraw.Draw(canvas)
    body = None if thing.texture == "plain" else _body_texture(thing, side, centre, radius, turn)
    for fill, points in THINGS[thing.kind]:
        placed = (points @ turn.T * radius + centre).ravel().tolist()
        if fill == "body" and body is not None:
            mask = Image.new("1", canvas.size)
            ImageDraw.Draw(mask).polygon(placed, fill=1)
            corner, tile = body
            canvas.paste(tile, corner, mask.crop((*corner, corner[0] + tile.width, corner[1] + tile.height)))
        else:
            draw.polygon(placed, fill=_mix(color, 0, 0) if fill == "body" else fills.get(fill, fill))


def _body_texture(thing: Thing, side: int, centre, radius: float, turn) -> tuple[tuple[int, int], Image.Image]:
    """A square tile of the body's texture around the thing, and its top left corner on the canvas."""
    half = int(radius * 1.5) + 2
    corner = (int(centre[0]) - half, int(centre[1]) - half)
    across, down = (np.arange(2 * half) + start - middle for start, middle in zip(corner, centre, strict=True))
    wavelength = 0.19 * side / 2

    def phase_along(axis: int) -> np.ndarray:
        return ((across * turn[0, axis] + (down * turn[1, axis])[:, None]) / wavelength + thing.phase) % 1.0

    if thing.texture == "striped":
        marked = phase_along(0) < 0.42
    else:
        marked = (phase_along(0) - 0.5) ** 2 + (phase_along(1) - 0.5) ** 2 < 0.30**2
    color = np.array(COLORS[thing.color], dtype=float)
    paints = np.array([_mix(color, 0, 0), _mix(color, 255, 0.62)], dtype=np.uint8)
    return corner, Image.fromarray(paints[marked.astype(np.intp)])


def _rotation(degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s], [s, c]])


def _mix(color: np.ndarray, towards: float, amount: float) -> tuple[int, int, int]:
    r, g, b = np.rint(color + (towards - color) * amount).astype(int).tolist()
    return r, g, b


@lru_cache(maxsize=4096)
def _card_patch(word: str, width: int, height: int, font: str | None = None) -> Image.Image:
    """A card with ``word`` as large as fits, drawn at four times the size and reduced."""
    w, h = width * _SUPERSAMPLE, height * _SUPERSAMPLE
    patch = Image.new("RGB", (w, h), PAPER)
    draw = ImageDraw.Draw(patch)
    draw.rectangle((0, 0, w - 1, h - 1), outline=_INK, width=_SUPERSAMPLE)
    if word:
        size = h
        box = draw.textbbox((0, 0), word, font=load_font(word, size, font), anchor="lt")
        size = max(4, int(size * min(0.86 * w / box[2], 0.9 * h / box[3], 1.0)))
        draw.text((w / 2, h / 2), word, fill=_INK, font=load_font(word, size, font), anchor="mm", stroke_width=1)
    return patch.reduce(_SUPERSAMPLE)
