"""Does the image follow when its embedding moves towards a text? (DALL-E 2, figure 5)

python analyses/text_diff.py [IMAGE BEFORE AFTER]        QUICK=1 takes seconds

z moves from what the first text says to what the second says, while the noise x_T is held. The cosine of the last image to
the new text stands beside that of the first image, its baseline. The CLIP that steers the decoder judges: this is circular.
"""

import os
import sys

from clipspace import load_space, text_diff
from clipspace.plot import grid, page, paper, save_figure, trim
from clipspace.results.pictures import stacked
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.scenes import Scene, Thing, render

moves, steps = (3, 20) if os.environ.get("QUICK") else (6, 25)
edits = [tuple(sys.argv[1:4])] if len(sys.argv) == 4 else [
    (render(Scene("white", (Thing("apple", "red"),))), "a red apple", "a green apple"),
    (render(Scene("mint", (Thing("house", "blue"),))), "a blue house", "a purple house"),
]  # fmt: skip
space = load_space("mini")

table, rows = [], []
for image, before, after in edits:
    moved = text_diff(space, image, before, after, frames=moves, seed=0, num_inference_steps=steps)
    to_before, to_after = (space.encode_images(moved.images).unit @ space.encode_texts([before, after]).unit.T).T
    table.append(
        {
            "before": before,
            "after": after,
            "cosine to after, last image": to_after[-1],
            "cosine to after, first image": to_after[0],
            "cosine to before, last image": to_before[-1],
        }
    )
    rows.append(moved.images)

result = Result("text_diff script", table, provenance=provenance("text_diff", space, seed=0, frames=moves))
print(result)
result.save("results/text_diff_script.json")
with paper("neurips"):
    figure = page("neurips")
    grid(stacked(rows), row_labels=[row["after"] for row in table], wrap=9, ax=figure.subplots())
    print("wrote", *save_figure(trim(figure), "results/text_diff_script"))
