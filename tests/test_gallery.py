"""The gallery: a figure, its caption and its numbers for every analysis, and the numbers are those of today's code."""

import csv
import re
from pathlib import Path

import pytest
from PIL import Image

from clipspace.analyses import analysis, names

GALLERY = Path(__file__).parent.parent / "figures" / "gallery"


def test_every_analysis_is_in_the_gallery():
    for name in names():
        with Image.open(GALLERY / f"{name}.png") as picture:
            assert picture.width > 400
        assert (GALLERY / f"{name}.png").stat().st_size < 500_000
        assert (GALLERY / f"{name}.csv").stat().st_size > 20
        assert len((GALLERY / f"{name}.md").read_text(encoding="utf-8").split()) > 40
    assert sum(path.stat().st_size for path in GALLERY.glob("*.png")) < 2_500_000


def test_the_page_of_the_gallery_shows_every_figure_and_its_caption():
    page = (GALLERY / "README.md").read_text(encoding="utf-8")
    patterns = (r"!\[[^\]]+\]\((\w+)\.png\)", r"\]\((\w+)\.md\)", r"\]\((\w+)\.csv\)")
    for pattern in patterns:
        assert set(re.findall(pattern, page)) == set(names())


@pytest.mark.parametrize("name", [pytest.param("spectrum", marks=pytest.mark.slow), "modality_gap"])
def test_the_numbers_are_what_the_analysis_gives(name, space):
    """Those that need no decoder, for the others take minutes; to what another machine's arithmetic leaves."""
    with (GALLERY / f"{name}.csv").open() as file:
        shown = list(csv.DictReader(file))
    found = analysis(name).run(space, seed=0).table
    assert len(shown) == len(found)
    for was, now in zip(shown, found, strict=True):
        for key, value in now.items():
            if isinstance(value, float):
                assert float(was[key]) == pytest.approx(value, abs=0.01)
            else:
                assert was[key] == ("" if value is None else str(value))
