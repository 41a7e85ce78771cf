"""Factors for images of which nothing is known: changes that we make ourselves, so that their value is known.

Each is a function ``(image, value) -> image`` on a square RGB image, and a way to draw values. All leave the
size as it is, and no rotation leaves an empty corner to give it away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from clipspace.probes.factors.factor import Factor
from clipspace.scenes import WORDS, Card, draw_card
from clipspace.sources.images import square

_GREY = (127, 127, 127)
_PATCHES = 4
_TURNS = {
    0: None,
    90: Image.Transpose.ROTATE_90,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_270,
}


def turn(image: Image.Image, degrees: int) -> Image.Image:
    """Turned by 0, 90, 180 or 270 degrees."""
    operation = _TURNS[degrees]
    return image if operation is None else image.transpose(operation)


def flip(image: Image.Image, flipped: bool) -> Image.Image:
    return ImageOps.mirror(image) if flipped else image


def grey(image: Image.Image, without_color: bool) -> Image.Image:
    return image.convert("L").convert("RGB") if without_color else image


def blur(image: Image.Image, radius: float) -> Image.Image:
    """Gaussian blur; ``radius`` is a fraction of the width."""
    return image.filter(ImageFilter.GaussianBlur(radius * image.width))


def crop(image: Image.Image, kept: float) -> Image.Image:
    """The middle of the image, ``kept`` of its width, enlarged to the whole."""
    edge = (1 - kept) / 2 * image.width
    return image.resize(image.size, Image.Resampling.BICUBIC, box=(edge, edge, image.width - edge, image.height - edge))


def hue(image: Image.Image, shift: float) -> Image.Image:
    """Hues turned by ``shift`` of the colour circle."""
    bands = list(image.convert("HSV").split())
    bands[0] = bands[0].point(lambda h: int(h + shift * 256) % 256)
    return Image.merge("HSV", bands).convert("RGB")


def position(image: Image.Image, x: float) -> Image.Image:
    """The image at 0.6 of its size on a grey canvas; ``x`` runs from 0, at the left edge, to 1, at the right."""
    return _on_canvas(image, 0.6, x)


def scale(image: Image.Image, size: float) -> Image.Image:
    """The image at ``size`` in the middle of a grey canvas."""
    return _on_canvas(image, size, 0.5)


def printed_word(image: Image.Image, word: str) -> Image.Image:
    """A card that reads ``word`` laid over the lower part."""
    return draw_card(image, Card(word))


def patch_shuffle(image: Image.Image, shuffled: bool) -> Image.Image:
    """The image cut into 4 x 4 patches, and these put back in one fixed other order."""
    if not shuffled:
        return image
    side = image.width // _PATCHES
    corners = [(side * i, side * j) for j in range(_PATCHES) for i in range(_PATCHES)]
    order = np.random.default_rng(0).permutation(len(corners))
    out = image.copy()
    for to, (x, y) in zip(order, corners, strict=True):
        out.paste(image.crop((x, y, x + side, y + side)), corners[to])
    return out


@dataclass(frozen=True)
class Augmentation:
    """A change of images: how it is made, the labels or the range of amounts it takes, and its period if any."""

    apply: Callable[[Image.Image, Any], Image.Image]
    values: Sequence[Any] = (False, True)
    between: tuple[float, float] | None = None
    period: float | None = None

    def draw(self, rng: np.random.Generator, other_than: Any = None) -> Any:
        """A value; of labels one that is not ``other_than``."""
        if self.between is not None:
            return float(rng.uniform(*self.between))
        left = [value for value in self.values if value != other_than or other_than is None]
        return left[int(rng.integers(len(left)))]


AUGMENTATIONS: dict[str, Augmentation] = {
    "rotation": Augmentation(turn, values=tuple(_TURNS)),
    "flip": Augmentation(flip),
    "grey": Augmentation(grey),
    "blur": Augmentation(blur, between=(0.0, 0.03)),
    "crop": Augmentation(crop, between=(0.5, 1.0)),
    "hue": Augmentation(hue, between=(0.0, 1.0), period=1.0),
    "position": Augmentation(position, between=(0.0, 1.0)),
    "scale": Augmentation(scale, between=(0.4, 1.0)),
    "printed word": Augmentation(printed_word, values=WORDS[:8]),
    "patch shuffle": Augmentation(patch_shuffle),
}


def augmentation_factors(images: Sequence[Image.Image], *, side: int, seed: int) -> list[Factor]:
    """One factor for each augmentation of RGB ``images``, which are first cut to squares of ``side`` pixels."""
    squares = [square(image, side) for image in images]

    def factor(k: int, name: str, augmentation: Augmentation) -> Factor:
        values = [augmentation.draw(np.random.default_rng([seed, 5, k, i])) for i in range(len(squares))]

        def change(i: int, rng: np.random.Generator) -> tuple[Image.Image, Any]:
            new = augmentation.draw(rng, other_than=values[i])
            return augmentation.apply(squares[i], new), new

        def image(i: int) -> Image.Image:
            return augmentation.apply(squares[i], values[i])

        return Factor(name, values, image, change, period=augmentation.period)

    return [factor(k, name, augmentation) for k, (name, augmentation) in enumerate(AUGMENTATIONS.items())]


def _on_canvas(image: Image.Image, size: float, x: float) -> Image.Image:
    side = max(1, round(size * image.width))
    canvas = Image.new("RGB", image.size, _GREY)
    canvas.paste(
        image.resize((side, side), Image.Resampling.BICUBIC),
        (round(x * (image.width - side)), (image.height - side) // 2),
    )
    return canvas
