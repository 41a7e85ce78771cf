"""The set that a report's explorer shows."""

import base64
import io
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from clipspace.analyses.given import given_images, given_store
from clipspace.errors import InputError
from clipspace.points.embeddings import Embeddings, Stamp
from clipspace.report.atlas import atlas
from clipspace.scenes import render, sample_scenes
from clipspace.space.encoding import encode


class AnySpace:
    """Places pictures anywhere: here only what is shown of them matters."""

    def encode_images(self, images):
        vectors = np.random.default_rng(0).normal(size=(len(images), 8)).astype(np.float32)
        return Embeddings(vectors, Stamp("any", "0" * 64, "1" * 64, 8))


def tiles(html, side):
    sheet = re.search(r'class="explorer-sheet">data:image/\w+;base64,([^<]*)<', html)[1]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(sheet))).convert("RGB"), dtype=float)
    return [pixels[:side, i * side : (i + 1) * side] for i in range(5)]


def test_a_store_shows_the_images_it_was_encoded_from(space, tmp_path):
    """Of Parquet, whose names are no files; and not those of another source."""
    pictures = [render(scene) for scene in sample_scenes(6, seed=3)]
    files = []
    for picture in pictures:
        picture.save(buffer := io.BytesIO(), "png")
        files.append(buffer.getvalue())
    for name, rows in (("here", files), ("elsewhere", files[:0] + files[1:2])):
        pq.write_table(pa.table({"image": pa.array(rows, pa.binary())}), tmp_path / f"{name}.parquet")
    encode(space, tmp_path / "here.parquet", tmp_path / "store")
    (tmp_path / "spool").mkdir()
    given = given_store(tmp_path / "store", tmp_path / "here.parquet", tmp_path / "spool", seed=0)
    html = atlas(space, given, seed=0)
    for shown, picture in zip(tiles(html, 64), pictures, strict=False):
        assert np.abs(shown - np.asarray(picture, float)).mean() < 12
    with pytest.raises(InputError, match="give what was encoded"):
        given_store(tmp_path / "store", tmp_path / "elsewhere.parquet", tmp_path, seed=0)


@pytest.mark.parametrize("beside", [0, 64])
def test_thumbnails_are_as_sharp_as_the_pictures(beside):
    # Stripes of two pixels are lost where a picture was made smaller than its tile and then larger again.
    stripes = np.tile(np.repeat([[0, 255]], 2, axis=1), (64, 16))
    pixels = np.stack([np.roll(stripes, i, axis=1) for i in range(5)]).astype(np.uint8)
    pictures = [Image.fromarray(np.pad(one, ((0, 0), (beside, beside)))).convert("RGB") for one in pixels]
    html = atlas(AnySpace(), given_images(pictures), seed=0)
    for shown, picture in zip(tiles(html, 64), pixels, strict=True):
        assert np.abs(shown - picture[:, :, None]).mean() < 25
