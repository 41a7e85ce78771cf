"""Rebuild the gallery: every figure of the mini space as a small PNG, its caption and its numbers beside it.

python figures/gallery/build.py [WORK]

WORK is the folder of the report that it is made of; what is there is not computed again. README.md, which says in a sentence
what each figure shows, is written by hand: read it again when the numbers change.
"""

import io
import shutil
import sys
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from clipspace.analyses import caption, draw, names
from clipspace.report.building import write_report
from clipspace.results.loading import load_result

GALLERY = Path(__file__).parent
DPI = 140
COLORS = 256
"""Size of the palette of a PNG, which takes less than half the bytes."""


def build(work: Path) -> None:
    """Write ``<analysis>.png``, ``.md`` and ``.csv`` of all analyses into the gallery, from a report made in ``work``."""
    write_report(work, overwrite=True)
    for name in names():
        result = load_result(work / f"{name}.json")
        with_palette(draw(result)).save(GALLERY / f"{name}.png", optimize=True)
        (GALLERY / f"{name}.md").write_text(f"{caption(result)}\n", encoding="utf-8")
        shutil.copyfile(work / f"{name}.csv", GALLERY / f"{name}.csv")


def with_palette(figure: Figure) -> Image.Image:
    """The figure as an image of few colours, chosen so that small areas keep theirs."""
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=DPI)
    return (
        Image.open(drawn)
        .convert("RGB")
        .quantize(COLORS, method=Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE)
    )


if __name__ == "__main__":
    build(Path(sys.argv[1] if len(sys.argv) > 1 else "clipspace-report"))
