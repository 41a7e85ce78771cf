"""What a venue asks of a figure, read back from the files: width, fonts, text, size, and the same bytes every time."""

import os
import re
import subprocess
import sys
import zlib

import matplotlib as mpl
import numpy as np
import pypdf
import pytest
from matplotlib.figure import Figure
from PIL import Image

from clipspace.errors import InputError
from clipspace.plot import VENUES, grid, paper, save_figure, width
from clipspace.plot.saving import LARGEST

WIDTHS = {
    "neurips": (5.5, 5.5),
    "iclr": (5.5, 5.5),
    "icml": (6.75, 3.25),
    "cvpr": (6.875, 3.25),
    "eccv": (4.8, 4.8),
    "tmlr": (6.5, 6.5),
}
"""Text and column in inches, from the venues' style files (checked against tueplots 0.2)."""


def _figure(venue="neurips", columns=2):
    with paper(venue):
        figure = Figure(figsize=(width(venue, columns=columns), 2))
        ax = figure.subplots()
        ax.plot([0, 1], [0, 1])
        ax.set(xlabel="share of variance", ylabel="cosine → z")
    return figure


def _streams(path):
    """Everything in a PDF, its compressed streams inflated."""
    data = path.read_bytes()
    parts = [data]
    for match in re.finditer(rb"stream\r?\n(.*?)\r?\nendstream", data, re.DOTALL):
        try:
            parts.append(zlib.decompress(match[1]))
        except zlib.error:
            continue
    return b"".join(parts)


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("venue", VENUES)
def test_a_page_is_as_wide_as_the_venue_says(venue, columns, tmp_path):
    pdf, png = save_figure(_figure(venue, columns), tmp_path / "a")
    expected = WIDTHS[venue][2 - columns]
    assert abs(float(pypdf.PdfReader(pdf).pages[0].mediabox.width) / 72 - expected) < 0.01
    with Image.open(png) as picture:
        assert abs(picture.width / 300 - expected) < 0.01


def test_fonts_are_embedded_truetype_and_text_can_be_selected(tmp_path):
    pdf, _ = save_figure(_figure(), tmp_path / "a")
    everything = _streams(pdf)
    assert b"/Type3" not in everything
    assert b"/FontFile2" in everything
    assert b"/ToUnicode" in everything
    text = pypdf.PdfReader(pdf).pages[0].extract_text()
    assert "share of variance" in text
    assert "cosine → z" in text


def test_no_user_setting_shows_in_a_figure(tmp_path):
    (expected, _) = save_figure(_figure(), tmp_path / "plain")
    theirs = {
        "pdf.fonttype": 3,
        "font.family": "serif",
        "axes.grid": True,
        "figure.facecolor": "black",
        "savefig.bbox": "tight",
        "lines.linestyle": "--",
    }
    with mpl.rc_context(theirs):
        (pdf, _) = save_figure(_figure(), tmp_path / "theirs")
    assert pdf.read_bytes() == expected.read_bytes()


def test_the_style_leaves_no_trace(tmp_path):
    before, within = dict(mpl.rcParams), paper("cvpr")
    within.__enter__()
    assert mpl.rcParams["font.size"] == VENUES["cvpr"].font
    within.__exit__(RuntimeError, RuntimeError(), None)
    assert dict(mpl.rcParams) == before
    save_figure(_figure(), tmp_path / "a")
    assert dict(mpl.rcParams) == before


def test_small_text_is_still_readable():
    for venue in VENUES:
        with paper(venue):
            for key in ("xtick.labelsize", "ytick.labelsize", "legend.fontsize"):
                assert mpl.rcParams[key] >= 6


def test_an_unknown_venue_is_refused():
    with pytest.raises(InputError, match=r"'neurips'.*'nips'"):
        width("nips")


def test_two_processes_write_the_same_bytes(tmp_path):
    code = (
        "import sys; import numpy as np; from matplotlib.figure import Figure; from clipspace.plot import *\n"
        "with paper():\n"
        "    figure = Figure(figsize=(width('neurips'), 2))\n"
        "    images = np.arange(96, dtype=np.uint8).reshape(1, 2, 4, 4, 3)\n"
        "    grid(images, row_labels=['eta → 0'], column_labels=['é', 'b'], ax=figure.subplots())\n"
        "save_figure(figure, sys.argv[1])"
    )
    for name, salt in (("a", "1"), ("b", "2")):
        environment = {**os.environ, "PYTHONHASHSEED": salt}
        subprocess.run([sys.executable, "-c", code, str(tmp_path / name)], check=True, env=environment)
    for suffix in (".pdf", ".png"):
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_a_figure_saved_twice_is_the_same_file(tmp_path):
    figure = _figure()
    first, second = (save_figure(figure, tmp_path / name) for name in "ab")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_pictures_that_do_not_compress_are_made_coarser(tmp_path, rng):
    noise = rng.integers(0, 256, size=(6, 6, 200, 200, 3), dtype=np.uint8)
    with paper():
        figure = Figure(figsize=(width("neurips"), 5.5))
        grid(noise, ax=figure.subplots())
    written = save_figure(figure, tmp_path / "noise")
    for path in written:
        assert path.stat().st_size < LARGEST
    with Image.open(written[1]) as picture:
        assert picture.width < 300 * 5.5
    assert float(pypdf.PdfReader(written[0]).pages[0].mediabox.width) == 396


def test_a_rasterised_layer_is_one_picture_and_its_labels_stay_text(tmp_path, rng):
    with paper():
        figure = Figure(figsize=(width("neurips"), 3))
        ax = figure.subplots()
        ax.scatter(*rng.normal(size=(2, 50_000)), s=2, rasterized=True)
        ax.set_xlabel("first component")
    pdf, _ = save_figure(figure, tmp_path / "cloud")
    page = pypdf.PdfReader(pdf).pages[0]
    assert pdf.stat().st_size < LARGEST
    assert len(page.images) == 1
    assert "first component" in page.extract_text()


@pytest.mark.parametrize("name", ["fig.3", "fig.3.pdf", "fig.3.png"])
def test_only_the_suffix_of_a_figure_is_replaced(name, tmp_path):
    assert [path.name for path in save_figure(_figure(), tmp_path / name)] == ["fig.3.pdf", "fig.3.png"]


def test_a_caption_is_written_beside_the_figure(tmp_path):
    paths = save_figure(_figure(), tmp_path / "fig.1", caption="What is drawn.")
    assert [path.name for path in paths] == ["fig.1.pdf", "fig.1.png", "fig.1.md"]
    assert paths[-1].read_text() == "What is drawn.\n"
