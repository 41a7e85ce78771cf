"""What did one encoder gain or lose against another, on the same images? (arXiv 1905.00414, 2405.07987, 2602.14486)

python analyses/compare.py [IMAGE ...]        QUICK=1 takes seconds

The space against pixels: similarities beside what they are of images in random order, and the difference of held-out skill
for each factor of rendered scenes; of images of yours, for their folders.
"""

import os
import sys
from pathlib import Path

from clipspace import load_space
from clipspace.plot import intervals, page, paper, save_figure, trim
from clipspace.probes import compare, pixel_points
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.scenes import UNSEEN, factor_table, render, sample_scenes

n, permutations = (40, 19) if os.environ.get("QUICK") else (600, 199)
space = load_space("mini")
scenes = sample_scenes(n, seed=UNSEEN, layout="one")
images = sys.argv[1:] or [render(scene) for scene in scenes]
table = factor_table(scenes)
columns = {name: table[name] for name in ("thing1", "color1", "texture1", "size1", "x1", "y1", "ground")}
if sys.argv[1:]:
    columns = {"folder": [Path(path).parent.name for path in images]}

found = compare(space.encode_images(images), pixel_points(images), columns=columns, permutations=permutations)
made = provenance("compare", space, seed=0, other="pixels", n=len(images))
result = Result("compare script", found.table, arrays=found.arrays, provenance=made)
print(result)
result.save("results/compare_script.json")
with paper("neurips"):
    figure = page("neurips")
    rows = [row for row in result.table if row["p"] is not None or row["score"] == "skill gained"]
    ends = {name: [row[name] for row in rows] for name in ("low", "high", "chance")}
    names = [row["variant"] or row["score"] for row in rows]
    intervals(names, [row["value"] for row in rows], **ends, ax=figure.subplots())
    print("wrote", *save_figure(trim(figure), "results/compare_script"))
