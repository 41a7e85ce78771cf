"""What stays the same over images that share one embedding, and what changes? (DALL-E 2, figure 3)

python analyses/variations.py [IMAGE ...]        QUICK=1 takes seconds

Each image is inverted to its code (z, x_T) and drawn again from z with fresh noise. What stays was in z. The cosine of the
drawn images to their own z says little alone; beside it stands their cosine to the z of the other images.
"""

import os
import sys

import numpy as np

from clipspace import invert, load_space, variations
from clipspace.plot import grid, page, paper, save_figure, trim
from clipspace.results.pictures import stacked
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.scenes import UNSEEN, render, sample_scenes
from clipspace.sources.images import read_image, square

n, steps = (2, 20) if os.environ.get("QUICK") else (6, 25)
space = load_space("mini")
images = [square(read_image(path), space.decoder.resolution) for path in sys.argv[1:]]
images = images or [render(scene) for scene in sample_scenes(3, seed=UNSEEN, layout="one")]

code = invert(space, images, num_inference_steps=steps)
z = code.embeddings.unit
table, rows = [], []
for i, image in enumerate(images):
    again, *drawn = variations(space, code[i], n=n, seed=i).images  # the first is the reconstruction, at eta = 0
    cosines = space.encode_images(drawn).unit @ z.T
    others = np.delete(cosines, i, axis=1).mean() if len(images) > 1 else None
    table.append({"image": i, "cosine to z": cosines[:, i].mean(), "cosine to the z of others": others})
    rows.append([image, again, *drawn])

result = Result(
    "variations script", table, arrays={"images": stacked(rows)}, provenance=provenance("variations", space, n=n)
)
print(result)
result.save("results/variations_script.json")
with paper("neurips"):
    figure = page("neurips")
    labels = [f"{row['cosine to z']:.2f}" for row in table]
    columns = ["source", "eta = 0", *["eta = 1"] * n]
    grid(stacked(rows), row_labels=labels, column_labels=columns, wrap=9, ax=figure.subplots())
    print("wrote", *save_figure(trim(figure), "results/variations_script"))
