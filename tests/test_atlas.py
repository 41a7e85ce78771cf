"""The set that a report's explorer shows."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from clipspace.embeddings import Embeddings, Stamp
from clipspace.report.atlas import atlas


class AnySpace:
    """Places pictures anywhere: here only what is shown of them matters."""

    def encode_images(self, images):
        vectors = np.random.default_rng(0).normal(size=(len(images), 8)).astype(np.float32)
        return Embeddings(vectors, Stamp("any", "0" * 64, "1" * 64, 8))


def tiles(html, side):
    sheet = re.search(r'class="explorer-sheet">data:image/\w+;base64,([^<]*)<', html)[1]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(sheet))).convert("RGB"), dtype=float)
    return [pixels[:side, i * side : (i + 1) * side] for i in range(5)]


@pytest.mark.parametrize("beside", [0, 64])
def test_thumbnails_are_as_sharp_as_the_pictures(beside):
    # Stripes of two pixels are lost where a picture was made smaller than its tile and then larger again.
    stripes = np.tile(np.repeat([[0, 255]], 2, axis=1), (64, 16))
    pixels = np.stack([np.roll(stripes, i, axis=1) for i in range(5)]).astype(np.uint8)
    pictures = [Image.fromarray(np.pad(one, ((0, 0), (beside, beside)))).convert("RGB") for one in pixels]
    html = atlas(AnySpace(), pictures, None, seed=0)
    for shown, picture in zip(tiles(html, 64), pixels, strict=True):
        assert np.abs(shown - picture[:, :, None]).mean() < 25
