"""Is what a decode shows in the embedding, or in the decoder?

python analyses/decoder_agreement.py [IMAGE IMAGE ...]        QUICK=1 takes seconds

One z, drawn by the space's own decoder and by pixels that are optimised until E says z, which have no prior of images. The
cycle E(D(z)) against z, and the two decoders against each other, stand beside the same of unlike images.
"""

import os
import sys

import numpy as np

from clipspace import load_space
from clipspace.plot import grid, page, paper, save_figure, trim
from clipspace.results.pictures import stacked
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.results.table import scored
from clipspace.scenes import UNSEEN, render, sample_scenes
from clipspace.sources.images import read_image, square

steps = 3 if os.environ.get("QUICK") else None  # None: the usual number of each decoder
spaces = {"diffusion": load_space("mini"), "optimised pixels": load_space("mini", decoder="gradient")}
space = spaces["diffusion"]
images = [square(read_image(path), space.decoder.resolution) for path in sys.argv[1:]]
images = images or [render(scene) for scene in sample_scenes(3, seed=UNSEEN, layout="one")]

z = space.encode_images(images)
drawn = {name: one.decode(z, seed=0, num_inference_steps=steps) for name, one in spaces.items()}
again = {name: space.encode_images(pictures).unit for name, pictures in drawn.items()}
table = []
for name, (a, b) in {
    **{f"{k} and z": (x, z.unit) for k, x in again.items()},
    "both decoders": tuple(again.values()),
}.items():
    cosines = a @ b.T
    unlike = cosines[~np.eye(len(z), dtype=bool)].mean() if len(z) > 1 else None
    table.append(scored(pair=name, value=np.diag(cosines).mean(), chance=unlike, n=len(z)))

result = Result(
    "decoder_agreement script", table, provenance=provenance("decode", space, seed=0, num_inference_steps=steps)
)
print(result)
result.save("results/decoder_agreement_script.json")
with paper("neurips"):
    figure = page("neurips")
    rows = [images, *([square(image, images[0].width) for image in pictures] for pictures in drawn.values())]
    grid(stacked(rows), row_labels=["source", *drawn], wrap=10, ax=figure.subplots())
    print("wrote", *save_figure(trim(figure), "results/decoder_agreement_script"))
