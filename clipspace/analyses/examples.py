"""Pictures and captions to ask a question of, when the user brings none."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from clipspace.errors import InputError
from clipspace.images import read_images, square
from clipspace.scenes import Scene, Thing, render
from clipspace.space import Space

EXAMPLES = (
    Scene("white", (Thing("apple", "red", x=0.5, y=0.46, rotation=8),)),
    Scene("navy", (Thing("fish", "orange", "striped", x=0.42, y=0.55, rotation=-14, phase=0.3),)),
    Scene("mint", (Thing("house", "blue", x=0.55, y=0.52, rotation=-6),)),
    Scene("beige", (Thing("cat", "purple", "dotted", x=0.48, y=0.5, rotation=10),)),
)


def pictures(space: Space, images: Sequence | None, doing: str, *, least: int = 1) -> list[Image.Image]:
    """The user's images as squares of the decoder's size, or the bundled scenes where there are none.

    Raises `InputError` for fewer than ``least``, and where a space has no decoder to look through.
    """
    if space.decoder is None:
        raise InputError(f"{doing}: expected a space with a decoder, got {space.name!r}; see `clipspace spaces`")
    found = [render(scene) for scene in EXAMPLES] if images is None else read_images(images)[0]
    if len(found) < least:
        raise InputError(f"{doing}: expected {least} images or more, got {len(found)}")
    return [square(image, space.decoder.resolution) for image in found]
