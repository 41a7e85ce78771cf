"""Is an edited embedding still close to the embeddings of real images?

python analyses/neighbours.py [IMAGE BEFORE AFTER]        QUICK=1 takes seconds

z is moved from one text to another; its nearest neighbours in a set show what CLIP takes it for, whatever the decoder can
draw. The cosine to the nearest neighbour stands beside that of the z that was not moved.
"""

import os
import sys

from clipspace import build_index, load_space, retrieve, text_diff
from clipspace.plot import grid, page, paper, save_figure, trim
from clipspace.results.pictures import stacked
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.scenes import UNSEEN, Scene, Thing, render, sample_scenes

n, steps = (50, 2) if os.environ.get("QUICK") else (1000, 20)
apple = (render(Scene("white", (Thing("apple", "red"),))), "a red apple", "a green apple")
image, before, after = sys.argv[1:4] if len(sys.argv) == 4 else apple
space = load_space("mini")

among = [render(scene) for scene in sample_scenes(n, seed=UNSEEN, layout="one")]
index = build_index(space.encode_images(among), seed=0)
z = space.encode_images([image])
moved = text_diff(space, z, before, after, frames=2, seed=0, num_inference_steps=steps)
nearest = retrieve(space, index, moved.embeddings, k=5)
table = [
    {"of": name, "neighbour": rank + 1, "row": int(row), "cosine": float(cosine)}
    for name, hits in zip(("z", "edited z"), nearest, strict=True)
    for rank, (row, cosine) in enumerate(zip(hits.rows, hits.cosines, strict=True))
]
rows = [[drawn, *(among[row] for row in hits.rows)] for drawn, hits in zip(moved.images, nearest, strict=True)]

result = Result(
    "neighbours script", table, provenance=provenance("text_diff", space, seed=0, before=before, after=after, n=n)
)
print(result)
result.save("results/neighbours_script.json")
with paper("neurips"):
    figure = page("neurips")
    columns = ["decode", *(str(rank + 1) for rank in range(5))]
    grid(stacked(rows), row_labels=["z", "edited z"], column_labels=columns, breaks=[1], ax=figure.subplots())
    print("wrote", *save_figure(trim(figure), "results/neighbours_script"))
