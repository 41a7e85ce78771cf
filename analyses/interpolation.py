"""What lies between images, when only their embeddings move and when the noise moves too? (DALL-E 2, figure 4)

python analyses/interpolation.py [IMAGE IMAGE ...]        QUICK=1 takes seconds

With inverted noise the ends come back, pixel by pixel; with fixed noise, what changes along the row is what z holds.
The baseline of an end that comes back is the PSNR of one keyframe against the other.
"""

import os
import sys

import numpy as np

from clipspace import interpolate, load_space
from clipspace.plot import grid, page, paper, save_figure, trim
from clipspace.results.pictures import stacked
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.scenes import UNSEEN, render, sample_scenes
from clipspace.sources.images import psnr, read_image, square

between, steps = (3, 20) if os.environ.get("QUICK") else (7, 25)
space = load_space("mini")
images = [square(read_image(path), space.decoder.resolution) for path in sys.argv[1:]]
images = images or [render(scene) for scene in sample_scenes(2, seed=UNSEEN, layout="one")]

table, rows = [], []
for noise in ("inverted", "fixed"):
    path = interpolate(space, *images, frames=between, noise=noise, seed=0, num_inference_steps=steps)
    cosines = np.einsum("nd,nd->n", space.encode_images(path.images).unit, path.embeddings.unit)
    rows.append(path.images)
    table.append(
        {
            "noise": noise,
            "PSNR of the first keyframe": psnr(path.images[0], images[0], most=99),
            "PSNR of another image": psnr(images[-1], images[0], most=99),
            "mean cosine of E(image) to z": cosines.mean(),
        }
    )

options = {"frames": between, "num_inference_steps": steps}
result = Result("interpolation script", table, provenance=provenance("interpolate", space, seed=0, **options))
print(result)
result.save("results/interpolation_script.json")
with paper("neurips"):
    figure = page("neurips")
    grid(stacked(rows), row_labels=["inverted", "fixed"], ax=figure.subplots()).set_ylabel("noise")
    print("wrote", *save_figure(trim(figure), "results/interpolation_script"))
