import io
import json

import numpy as np
import pytest
from PIL import Image

from clipspace.embeddings import Embeddings
from clipspace.errors import InputError
from clipspace.pictures import Pictures


@pytest.fixture
def pictures():
    row = [Image.new("RGB", (8, 8), color) for color in ("red", "green", "blue")]
    return Pictures(
        [row, row[:2]],
        Embeddings(np.ones((5, 2))),
        {"what": "test", "seed": 3},
        ["one", "two\nlines"],
        ["a", "b", "a long label that wraps"],
    )


def test_a_sheet_holds_every_image(pictures):
    colors = {c for _, c in pictures.sheet().getcolors(1 << 20)}
    assert {(255, 0, 0), (0, 128, 0), (0, 0, 255)} <= colors
    assert len(pictures.images) == 5


def test_png_carries_its_provenance(pictures, tmp_path):
    path = pictures.save(tmp_path / "a.png")
    assert json.loads(Image.open(path).text["clipspace"]) == {"what": "test", "seed": 3}


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_animations_hold_the_first_row(pictures, tmp_path, suffix):
    path = pictures.save(tmp_path / f"a{suffix}")
    assert Image.open(path).n_frames == 3


def test_mp4(pictures, tmp_path):
    imageio = pytest.importorskip("imageio.v3")
    pytest.importorskip("av")
    path = pictures.save(tmp_path / "a.mp4")
    assert len(imageio.imread(path, plugin="pyav")) == 3


def test_it_shows_itself_in_a_notebook(pictures):
    assert Image.open(io.BytesIO(pictures._repr_png_())).size == pictures.sheet().size


def test_unknown_suffixes_and_existing_files_are_refused(pictures, tmp_path):
    with pytest.raises(InputError, match=r"\.png, \.gif"):
        pictures.save(tmp_path / "a.txt")
    pictures.save(tmp_path / "a.png")
    with pytest.raises(InputError, match="exists"):
        pictures.save(tmp_path / "a.png")
    assert pictures.save(tmp_path / "a.png", overwrite=True)
