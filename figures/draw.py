"""Draw a saved result at the width of a venue, as PDF and PNG with its caption, without a model.

python figures/draw.py results/variations.json --venue cvpr
"""

import argparse
from pathlib import Path

from clipspace.analyses import caption, draw
from clipspace.plot import VENUES, save_figure
from clipspace.results.loading import load_result

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("result", type=Path, help="the .json file of a saved result")
parser.add_argument("--venue", choices=list(VENUES), default="neurips", help="whose text width and fonts")
options = parser.parse_args()

result = load_result(options.result)
figure = draw(result, venue=options.venue)
print("wrote", *save_figure(figure, options.result.with_suffix(""), caption=caption(result)))
