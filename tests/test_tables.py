"""Tables: HTML parses back to the cells it was made of, and what shows itself in a notebook shows what it prints."""

import re
from html.parser import HTMLParser

import pytest

from clipspace.results.result import Result
from clipspace.results.table import Table, scored
from clipspace.results.text import MOST_ROWS, as_html, as_text


class Reader(HTMLParser):
    """The rows and paragraphs of a table, as a browser takes them."""

    def __init__(self, page):
        super().__init__()
        self.rows, self.notes, self.tags = [], [], set()
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "p":
            self.notes.append("")
        self.at = tag

    def handle_data(self, data):
        if self.at in ("td", "th"):
            self.rows[-1][-1] += data
        elif self.at == "p":
            self.notes[-1] += data


CELLS = [["factor", "95 %"], ["<b>&amp;", 'a "quoted" <script>'], ["", "é"]]


def test_html_gives_back_its_cells_and_nothing_else():
    read = Reader(as_html(CELLS, notes=["1 < 2 & 3"]))
    assert read.rows == CELLS
    assert read.notes == ["1 < 2 & 3"]
    assert read.tags == {"p", "table", "thead", "tbody", "tr", "th", "td"}


def test_a_long_table_says_what_it_leaves_out():
    read = Reader(as_html([["n"], *([str(i)] for i in range(MOST_ROWS + 5))]))
    assert len(read.rows) == MOST_ROWS + 1
    assert read.notes == ["and 5 more rows"]


def test_text_lines_up():
    lines = as_text([["a", "b"], ["long name", "0.25"]]).splitlines()
    assert lines == ["a             b", "long name  0.25"]


@pytest.mark.parametrize(
    ("shown", "notes"),
    [
        (Table([scored(score="accuracy", value=0.9, chance=0.1, n=50), scored(score="gap", value=0.5)]), []),
        (Result("spectrum", [{"k": 1, "share": 0.12345}, {"k": 20, "share": None}], ["<Half>."]), ["<Half>."]),
        (Result("spectrum", [], ["Nothing."]), ["Nothing."]),
    ],
)
def test_a_notebook_shows_what_a_terminal_prints(shown, notes):
    read = Reader(shown._repr_html_())
    assert read.notes == notes
    printed = [re.split(" {2,}", line.strip()) for line in str(shown).splitlines()[len(notes) :]]
    assert [[cell for cell in row if cell] for row in read.rows] == [[cell for cell in row if cell] for row in printed]
