"""Which images are the same to CLIP and different to the eye? (MMVP, Tong et al. 2024, arXiv 2401.06209)

python analyses/blind_pairs.py [IMAGE ...]        QUICK=1 takes seconds

Of all pairs that are less alike in their pixels than half of them, the ones that are most alike to CLIP. Cosines are of
vectors less the mean of their set, so that 0 is the baseline: two images that have nothing in common but the set.
"""

import os
import sys

import numpy as np

from clipspace import load_space
from clipspace.measure.cone import centred
from clipspace.plot import grid, page, paper, save_figure, trim
from clipspace.probes.pairs import pixel_points
from clipspace.results.pictures import stacked
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.scenes import UNSEEN, render, sample_scenes
from clipspace.sources.images import read_image, square

n, k = (60, 4) if os.environ.get("QUICK") else (1000, 6)
space = load_space("mini")
images = [square(read_image(path), 64) for path in sys.argv[1:]]
images = images or [render(scene) for scene in sample_scenes(n, seed=UNSEEN, layout="one")]

z, pixels = (centred(points.unit) for points in (space.encode_images(images), pixel_points(images)))
first, second = np.triu_indices(len(images), 1)
to_clip, to_pixels = (z @ z.T)[first, second], (pixels @ pixels.T)[first, second]
different = to_pixels < np.median(to_pixels)
best = np.argsort(np.where(different, -to_clip, np.inf))[: min(k, different.sum())]
table = [
    {"first": int(first[i]), "second": int(second[i]), "cosine of z": to_clip[i], "cosine of pixels": to_pixels[i]}
    for i in best
]

result = Result("blind_pairs script", table, provenance=provenance("blind_pairs", space, seed=UNSEEN, n=len(images)))
print(result)
result.save("results/blind_pairs_script.json")
with paper("neurips"):
    figure = page("neurips")
    rows = [[images[pair[i]] for i in best] for pair in (first, second)]
    labels = [f"{row['cosine of z']:.2f} / {row['cosine of pixels']:.2f}" for row in table]
    grid(stacked(rows), column_labels=labels, ax=figure.subplots())
    print("wrote", *save_figure(trim(figure), "results/blind_pairs_script"))
