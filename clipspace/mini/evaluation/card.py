"""The table of the model card."""

from __future__ import annotations

from pathlib import Path

from clipspace.mini.evaluation.reading import Row


def as_markdown(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    return "\n".join(["| what | measured | bar |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)])


CARD = Path(__file__).parents[1] / "MODEL_CARD.md"


def write_card(rows: list[Row], card: Path = CARD) -> None:
    """Replace the table between the markers of the model card."""
    head, _, rest = card.read_text().partition("<!-- table -->\n")
    tail = rest.partition("<!-- /table -->")[2]
    card.write_text(f"{head}<!-- table -->\n{as_markdown(rows)}\n<!-- /table -->{tail}")
