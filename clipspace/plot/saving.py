"""Writing a figure as PDF and PNG, the same bytes every time."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from clipspace.saving import atomically

_NO_DATES = {".pdf": {"CreationDate": None, "ModDate": None}, ".png": {"Software": None}, ".svg": {"Date": None}}


def save_figure(figure: Figure, path: str | Path, *, dpi: int = 300) -> list[Path]:
    """Write ``path`` with the suffixes .pdf and .png, at the figure's exact size, and return both paths."""
    written = []
    for suffix in (".pdf", ".png"):
        target = Path(path).with_suffix(suffix)
        with atomically(target, overwrite=True) as part:
            figure.savefig(part, dpi=dpi, metadata=_NO_DATES[suffix])
        written.append(target)
    return written
