"""Writing a figure as PDF and PNG, the same bytes every time, with its caption beside it."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from clipspace.files import atomically
from clipspace.plot.style import paper

LARGEST = 2_000_000
"""Largest size of a figure file in bytes; images are made coarser to stay below it."""
_DPI = (300, 200, 150, 100)
_NO_DATES = {".pdf": {"CreationDate": None, "ModDate": None}, ".png": {"Software": None}}


def save_figure(figure: Figure, path: str | Path, *, caption: str = "") -> list[Path]:
    """Write ``path`` with the suffixes .pdf and .png, at the figure's exact size, and return the paths.

    Images and rasterised layers have 300 dots an inch; fewer, down to 100, where a file would pass 2 MB. A ``caption`` is
    written beside them, with the suffix .md.
    """
    path = Path(path)
    stem = path.with_suffix("") if path.suffix in _NO_DATES else path
    targets = [stem.with_name(stem.name + suffix) for suffix in _NO_DATES]
    with paper():  # fonts are embedded when a figure is written, by the settings that hold then
        for target in targets:
            with atomically(target, overwrite=True) as part:
                _write(figure, part, _NO_DATES[target.suffix])
    if caption:
        targets.append(stem.with_name(f"{stem.name}.md"))
        with atomically(targets[-1], overwrite=True) as part:
            part.write_text(f"{caption}\n", encoding="utf-8")
    return targets


def _write(figure: Figure, path: Path, metadata: dict) -> None:
    for dpi in _DPI:
        figure.savefig(path, dpi=dpi, metadata=metadata)
        if path.stat().st_size < LARGEST:
            break
