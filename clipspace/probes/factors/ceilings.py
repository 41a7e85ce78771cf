"""What a perfect embedding would hold: the code of a scene, which loses nothing, and the pixels of an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from clipspace.scenes import COLORS, GROUNDS, SIZES, TEXTURES, THINGS, WORDS, Scene, Thing
from clipspace.scenes.spec import MAX_TILT

PIXELS = 16
"""Side of the image whose pixels are read, after averaging."""
WIDTH = 256
"""Directions of pixels that are read: the first principal components of all images."""


def scene_code(scenes: Sequence[Scene]) -> np.ndarray:
    """Slot codes of scenes, float64 ``(n, d)``: all arguments of `render`.

    The ground as one-hot; for each of two slots whether there is a thing, its kind, colour, texture and size as one-hot, x and
    y, the rotation in units of the largest, and the phase as cosine and sine; whether there is a card, its word as
    one-hot, x, y and width. An empty slot is all zeros. `relation` and `count` are not given directly. Whatever read-outs
    miss on this code is due to their own limits and the number of scenes, not to the encoder.
    """
    return np.array([_code(scene) for scene in scenes])


def pixel_code(image: Image.Image) -> np.ndarray:
    """The RGB values of an image in `PIXELS` by `PIXELS` averages, float32 ``(3 PIXELS²,)``, from 0 to 1."""
    small = image.convert("RGB").resize((PIXELS, PIXELS), Image.Resampling.BOX)
    return (np.asarray(small, dtype=np.float32) / 255).ravel()


def _code(scene: Scene) -> np.ndarray:
    slots = [_slot(scene.things[i] if i < len(scene.things) else None) for i in (0, 1)]
    words, card = ("", *WORDS), scene.card
    place = [0.0] * 4 if card is None else [1.0, card.x, card.y, card.width]
    return np.concatenate([_one_hot(scene.ground, GROUNDS), *slots, _one_hot(card and card.word, words), place])


def _slot(thing: Thing | None) -> np.ndarray:
    names = [(thing and getattr(thing, name)) for name in ("kind", "color", "texture", "size")]
    codes = [_one_hot(name, of) for name, of in zip(names, (THINGS, COLORS, TEXTURES, SIZES), strict=True)]
    if thing is None:
        return np.concatenate([*codes, np.zeros(6)])
    turn = 2 * np.pi * thing.phase
    return np.concatenate([*codes, [1.0, thing.x, thing.y, thing.rotation / MAX_TILT, np.cos(turn), np.sin(turn)]])


def _one_hot(value: str | None, names: Sequence[str]) -> np.ndarray:
    return np.array([float(value == name) for name in names])
