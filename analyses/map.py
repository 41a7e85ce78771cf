"""Which points are neighbours, and what do they share? (UMAP, McInnes et al. 2018, arXiv 1802.03426)

python analyses/map.py [IMAGE ...]        QUICK=1 takes seconds

Embeddings placed in the plane by UMAP, and how often the ten nearest neighbours share a factor in the space itself and on
the map, beside chance. What is shared on the map alone is the map's own doing.
"""

import os
import sys
from pathlib import Path

from matplotlib.figure import Figure

from clipspace import load_space, umap_map
from clipspace.measure.column_structure import shared
from clipspace.plot import paper, save_figure, scatter, width
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.scenes import UNSEEN, factor_table, render, sample_scenes
from clipspace.search.exact import neighbours

n = 60 if os.environ.get("QUICK") else 1000
space = load_space("mini")
if sys.argv[1:]:  # of images of yours, the folder of each is what is known
    points = space.encode_images(sys.argv[1:])
    columns = {"folder": [Path(path).parent.name for path in sys.argv[1:]]}
else:
    scenes = sample_scenes(n, seed=UNSEEN, layout="one")
    points, factors = space.encode_images([render(scene) for scene in scenes]), factor_table(scenes)
    columns = {"colour": factors["color1"], "thing": factors["thing1"], "size": factors["size1"]}

placed = umap_map(points, seed=0).coordinates
near, on_map = (neighbours(x.astype(float), 10)[1] for x in (points.unit, placed))
table = []
for name, values in columns.items():
    (inside, chance), (outside, _) = shared(near, values), shared(on_map, values)
    table.append({"column": name, "shared in the space": inside, "shared on the map": outside, "chance": chance})

result = Result(
    "map script", table, arrays={"coordinates": placed}, provenance=provenance("umap_map", space, seed=0, n=len(points))
)
print(result)
result.save("results/map_script.json")
with paper("neurips"):
    figure = Figure(figsize=(width("neurips"), 3.2))
    scatter(placed, column=next(iter(columns.values())), ax=figure.subplots())
    print("wrote", *save_figure(figure, "results/map_script"))
