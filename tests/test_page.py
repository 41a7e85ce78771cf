import io
import re

import numpy as np
import pytest
from PIL import Image

from clipspace.errors import InputError
from clipspace.report.page import Section, write_page

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&"


def png(colour="red"):
    buffer = io.BytesIO()
    Image.new("RGB", (40, 20), colour).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_page_holds_what_it_is_given(tmp_path):
    (tmp_path / "a picture.png").write_bytes(png())
    (tmp_path / "numbers.csv").write_text("1")
    section = Section(
        "What is kept?",
        question="Is colour kept?",
        seen="It is.",
        pictures=["a picture.png", png("blue")],
        table=[
            ["factor", "score", "n"],
            ["colour", 0.987654, 1000],
            ["size", "45 %", None],
            ["x", -0.5, 20],
            ["y", "inf", np.nan],
        ],
        files=["numbers.csv"],
        provenance={"seed": 0, "versions": {"numpy": "2"}},
        command="clipspace probe retention --seed 0",
    )
    text = write_page(tmp_path / "index.html", "Report", [section], intro="Of the mini space.").read_text()
    for part in ("Of the mini space.", "Is colour kept?", "It is.", "clipspace probe retention --seed 0"):
        assert part in text
    assert 'src="a%20picture.png" width="40" height="20"' in text
    assert 'src="data:image/png;base64,' in text
    assert 'href="#1-what-is-kept"' in text
    assert 'id="1-what-is-kept"' in text
    assert 'href="numbers.csv"' in text
    assert re.findall(r'<td class="number" data-order="(.*?)">(.*?)</td>', text) == [
        ("0.987654", "0.988"),
        ("1000.0", "1,000"),
        ("45.0", "45 %"),
        ("", ""),
        ("-0.5", "−0.5"),
        ("20.0", "20"),
        ("Infinity", "inf"),
        ("", "nan"),
    ]
    assert "{&#34;numpy&#34;: &#34;2&#34;}" in text
    assert "://" not in text


def test_nothing_given_becomes_markup(tmp_path):
    section = Section(HOSTILE, HOSTILE, HOSTILE, (), [[HOSTILE], [HOSTILE]], (), {HOSTILE: HOSTILE}, HOSTILE)
    text = write_page(tmp_path / "index.html", HOSTILE, [section], intro=HOSTILE).read_text()
    assert "<img" not in text
    assert "&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;" in text


def test_text_that_cannot_be_written_is_replaced(tmp_path):
    assert "caf?" in write_page(tmp_path / "index.html", "caf\udce9", []).read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pictures": ["missing.png"]}, "beside the page"),
        ({"pictures": ["../up.png"]}, "beside the page"),
        ({"files": ["missing.csv"]}, "beside the page"),
        ({"pictures": [b"no picture"]}, "expected an image"),
        ({"table": [["a", "b"], [1]]}, "rows of one length"),
    ],
)
def test_bad_input(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        write_page(tmp_path / "index.html", "Report", [Section("Broken", **options)])
    assert not (tmp_path / "index.html").exists()


def test_a_page_is_not_overwritten_unasked(tmp_path):
    page = write_page(tmp_path / "index.html", "One", [])
    with pytest.raises(InputError, match="exists"):
        write_page(page, "Two", [])
    assert "Two" in write_page(page, "Two", [], overwrite=True).read_text()
