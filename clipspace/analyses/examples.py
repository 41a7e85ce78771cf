"""Images and captions that analyses use when the user gives none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from clipspace.errors import CapabilityError, InputError
from clipspace.scenes import UNSEEN, Scene, Thing, caption, render, sample_scenes
from clipspace.sources.images import list_images, read_image, square

if TYPE_CHECKING:
    from clipspace.space import Space

EXAMPLES = (
    Scene("white", (Thing("apple", "red", x=0.5, y=0.46, rotation=8),)),
    Scene("navy", (Thing("fish", "orange", "striped", x=0.42, y=0.55, rotation=-14, phase=0.3),)),
    Scene("mint", (Thing("house", "blue", x=0.55, y=0.52, rotation=-6),)),
    Scene("beige", (Thing("cat", "purple", "dotted", x=0.48, y=0.5, rotation=10),)),
)


def unseen_scenes(n: int, *, seed: int, layout: str | None = None) -> list[Scene]:
    """``n`` scenes that no training saw."""
    return sample_scenes(n, seed=UNSEEN + seed, layout=layout)


def pictures(
    space: Space, images: Sequence | None, doing: str, *, least: int = 1, most: int | None = None
) -> tuple[list[Image.Image], list[str]]:
    """The user's images as squares of the decoder's size, or the bundled scenes where there are none; their names.

    The first ``most`` of them; of a longer list no more are read. Raises `InputError` for fewer than ``least``, and
    `CapabilityError` where a space has no decoder to look through.
    """
    if space.decoder is None:
        raise CapabilityError(f"{doing}: expected a space with a decoder, got {space.name!r}; see `clipspace spaces`")
    if images is None:
        scenes = EXAMPLES[:most]
        images_read, names = [render(scene) for scene in scenes], [_name(scene) for scene in scenes]
    else:
        sources, names = list_images(images)
        sources, names = sources[:most], names[:most]
        images_read = [read_image(image) for image in sources]
        names = [f"image {i + 1}" if name == str(i) else name for i, name in enumerate(names)]
    if len(images_read) < least:
        raise InputError(f"{doing}: expected {least} images or more, got {len(images_read)}")
    return [square(image, space.decoder.resolution) for image in images_read], names


def _name(scene: Scene) -> str:
    return f"{scene.things[0].color} {scene.things[0].kind}"


def captions_of(scenes: Sequence[Scene], *, seed: int) -> list[str]:
    """A caption of each scene, as training has them."""
    return [caption(scene, np.random.default_rng([seed, i])).text for i, scene in enumerate(scenes)]
