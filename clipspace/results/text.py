"""Tables of strings, as aligned text for a terminal and as HTML for a notebook. The first row is the header."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

MOST_ROWS = 60
"""Number of rows of an HTML table; a longer one says how many rows it leaves out."""
FEW_ROWS = 8
"""Number of rows of the repr of a table."""
LINE = 90
"""Number of characters of a line of a repr."""
_LEFT, _RIGHT = ' style="text-align: left"', ' style="text-align: right"'


def as_text(cells: Sequence[Sequence[str]], *, most: int | None = None) -> str:
    """Columns two spaces apart: the first aligned left, the others right.

    With ``most``, only that many rows, each cut to one line, and the number of rows left out.

    >>> print(as_text([["factor", "kept"], ["color", "0.9"]]))
    factor  kept
    color    0.9
    """
    if most is not None and len(cells) > most + 1:
        return f"{as_text(cells[: most + 1], most=most)}\nand {len(cells) - most - 1:,} more rows; print() shows all"
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(cell.rjust(w) if c else cell.ljust(w) for c, (cell, w) in enumerate(zip(row, widths, strict=True)))
        for row in cells
    ]
    if most is not None:
        lines = [line if len(line) <= LINE else f"{line[: LINE - 1]}…" for line in lines]
    return "\n".join(line.rstrip() for line in lines)


def as_html(cells: Sequence[Sequence[str]], *, notes: Sequence[str] = ()) -> str:
    """A ``<table>``, escaped, with a paragraph for each of ``notes`` above it."""
    html = [f"<p>{escape(note)}</p>" for note in notes]
    if not cells:
        return "".join(html)
    head, *rows = [[escape(cell) for cell in row] for row in cells]
    html += ["<table><thead><tr>", *(f"<th{_side(c)}>{cell}</th>" for c, cell in enumerate(head)), "</tr></thead>"]
    html.append("<tbody>")
    for row in rows[:MOST_ROWS]:
        html += ["<tr>", *(f"<td{_side(c)}>{cell}</td>" for c, cell in enumerate(row)), "</tr>"]
    html.append("</tbody></table>")
    if len(rows) > MOST_ROWS:
        html.append(f"<p>and {len(rows) - MOST_ROWS} more rows</p>")
    return "".join(html)


def _side(column: int) -> str:
    return _RIGHT if column else _LEFT
