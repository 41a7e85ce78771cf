import base64
import io

import numpy as np
import pytest
from PIL import Image

from clipspace.report import sprites as sprites_module
from clipspace.report.sprites import pack


def opened(sheet):
    head, data = sheet.split(";base64,")
    assert head.startswith("data:image/")
    return Image.open(io.BytesIO(base64.b64decode(data)))


def tile(sprites, i):
    sheet = np.asarray(opened(sprites.sheets[i // sprites.per_sheet]), dtype=float)
    row, column = divmod(i % sprites.per_sheet, sprites.across)
    return sheet[row * sprites.side :, column * sprites.side :][: sprites.side, : sprites.side]


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 255, size=(1100, 4, 4)).astype(np.uint8)
    return [Image.fromarray(block).resize((64, 64), Image.Resampling.BICUBIC) for block in blocks]


def test_every_thumbnail_comes_back_from_its_place(pictures):
    sprites = pack(pictures)
    assert (sprites.side, len(sprites.sheets)) == (64, 2)
    for i in (0, 1, 31, 32, 1023, 1024, 1099):
        found = tile(sprites, i)
        errors = [np.abs(found - np.asarray(p.convert("RGB"), dtype=float)).mean() for p in pictures]
        assert np.argmin(errors) == i
        assert errors[i] < 8


@pytest.mark.parametrize(("pixels", "side"), [(64**2, 64), (64**2 - 1, 48), (48**2 - 1, 32), (1, 32)])
def test_more_thumbnails_are_smaller_ones_so_that_a_page_stays_small(pictures, monkeypatch, pixels, side):
    monkeypatch.setattr(sprites_module, "_PIXELS", 40 * pixels)
    sprites = pack(pictures[:40])
    assert sprites.side == side
    assert opened(sprites.sheets[0]).size == (32 * side, 2 * side)
    small = np.asarray(pictures[39].resize((side, side)).convert("RGB"), dtype=float)
    assert np.abs(tile(sprites, 39) - small).mean() < 12


def test_the_format_is_the_smallest_of_three(pictures):
    grain = np.random.default_rng(0).integers(0, 2, size=(64, 64, 1)) * np.full(3, 255)
    assert opened(pack([Image.fromarray(grain.astype(np.uint8))] * 1024).sheets[0]).format == "PNG"
    assert opened(pack(pictures).sheets[0]).format == "WEBP"


def test_any_picture_becomes_its_centre_square():
    wide = Image.new("RGBA", (300, 100), (0, 0, 0, 0))
    wide.paste((255, 0, 0, 255), (100, 0, 200, 100))
    assert np.abs(tile(pack([wide]), 0) - (255, 0, 0)).mean() < 12
