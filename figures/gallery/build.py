"""Rebuild the gallery: every figure of the mini space as a small PNG, its numbers beside it as csv.

python figures/gallery/build.py [WORK]

WORK is the folder of the report that it is made of; what is there is not computed again.
"""

import io
import shutil
import sys
from pathlib import Path

from PIL import Image

from clipspace.analyses import draw, names
from clipspace.report.building import write_report
from clipspace.results.loading import load_result

GALLERY = Path(__file__).parent
DPI = 140
COLORS = 256
"""Of a picture: a palette takes less than half the bytes."""


def build(work: Path) -> None:
    """Write ``<analysis>.png`` and ``.csv`` of all analyses into the gallery, from a report made in ``work``."""
    write_report(work, overwrite=True)
    for name in names():
        figure = draw(load_result(work / f"{name}.json"))
        drawn = io.BytesIO()
        figure.savefig(drawn, dpi=DPI)
        Image.open(drawn).convert("RGB").quantize(COLORS).save(GALLERY / f"{name}.png", optimize=True)
        shutil.copyfile(work / f"{name}.csv", GALLERY / f"{name}.csv")


if __name__ == "__main__":
    build(Path(sys.argv[1] if len(sys.argv) > 1 else "clipspace-report"))
