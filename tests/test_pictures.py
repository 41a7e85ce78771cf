import io
import json

import numpy as np
import pytest
from PIL import Image, ImageSequence

from clipspace.errors import InputError
from clipspace.points.embeddings import Embeddings
from clipspace.results.pictures import Pictures
from clipspace.results.provenance import Provenance, read_provenance


@pytest.fixture
def pictures():
    row = [Image.new("RGB", (8, 8), color) for color in ("red", "green", "blue")]
    return Pictures.of(
        [row, row[:2]],
        Embeddings(np.ones((5, 2))),
        Provenance("test", seed=3),
        row_labels=["one", "two\nlines"],
        column_labels=["a", "b", "a long label that wraps"],
    )


def test_a_sheet_holds_every_image(pictures):
    colors = {c for _, c in pictures.sheet().getcolors(1 << 20)}
    assert {(255, 0, 0), (0, 128, 0), (0, 0, 255)} <= colors
    assert len(pictures.images) == 5


def test_png_carries_its_provenance(pictures, tmp_path):
    path = pictures.save(tmp_path / "a.png")
    carried = read_provenance(json.loads(Image.open(path).text["clipspace"]))
    assert (carried.call, carried.seed) == ("test", 3)


def _colors(path):
    """The colour in the middle of each frame, by name."""
    if path.suffix == ".mp4":
        pytest.importorskip("av")
        frames = list(pytest.importorskip("imageio.v3").imread(path, plugin="pyav"))
    else:
        frames = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(Image.open(path))]
    middles = [frame[frame.shape[0] // 2, frame.shape[1] // 2] for frame in frames]
    return [("red", "green", "blue")[int(middle.argmax())] for middle in middles]


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".mp4"])
def test_animations_hold_the_first_row(pictures, tmp_path, suffix):
    assert _colors(pictures.save(tmp_path / f"a{suffix}")) == ["red", "green", "blue"]


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".mp4"])
def test_ping_pong_comes_back_and_repeats_neither_end(pictures, tmp_path, suffix):
    path = pictures.save(tmp_path / f"a{suffix}", ping_pong=True)
    assert _colors(path) == ["red", "green", "blue", "green"]


def test_an_mp4_plays_where_players_know_one_pixel_format_only(pictures, tmp_path):
    av = pytest.importorskip("av")
    with av.open(pictures.save(tmp_path / "a.mp4", fps=5)) as file:
        stream = file.streams.video[0]
        assert (stream.codec_context.pix_fmt, stream.average_rate) == ("yuv420p", 5)


def test_frames_a_second_are_above_zero(pictures, tmp_path):
    with pytest.raises(InputError, match="fps above 0"):
        pictures.save(tmp_path / "a.gif", fps=0)
    assert not list(tmp_path.iterdir())


def test_it_shows_itself_in_a_notebook(pictures):
    assert Image.open(io.BytesIO(pictures._repr_png_())).size == pictures.sheet().size
    formatters = pytest.importorskip("IPython.core.formatters")
    shown, _ = formatters.DisplayFormatter().format(pictures)
    assert shown.keys() == {"image/png", "text/plain"}  # a notebook would prefer HTML, and show no image


def test_unknown_suffixes_and_existing_files_are_refused(pictures, tmp_path):
    with pytest.raises(InputError, match=r"\.png, \.gif"):
        pictures.save(tmp_path / "a.txt")
    pictures.save(tmp_path / "a.png")
    with pytest.raises(InputError, match="exists"):
        pictures.save(tmp_path / "a.png")
    assert pictures.save(tmp_path / "a.png", overwrite=True)
