"""Which principal components of an embedding hold what of an image? (DALL-E 2, figure 7)

python analyses/pca_reconstruction.py [IMAGE ...]        QUICK=1 takes seconds

Images are decoded from the first components of their embeddings. The cosine of E(image) to the whole z stands beside the
cosine to the z of the other images, which is what an image of nothing in particular would get.
"""

import os
import sys

import numpy as np

from clipspace import PCA, load_space, reconstruct
from clipspace.plot import grid, page, paper, save_figure, trim
from clipspace.results.pictures import stacked
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.scenes import UNSEEN, render, sample_scenes
from clipspace.sources.images import read_image, square

n, steps = (200, 2) if os.environ.get("QUICK") else (1000, 20)
components = (2, 8, 32, 128)
space = load_space("mini")
images = [square(read_image(path), space.decoder.resolution) for path in sys.argv[1:]]
images = images or [render(scene) for scene in sample_scenes(3, seed=UNSEEN, layout="one")]

pca = PCA(normalize=True).fit(space.encode_images([render(scene) for scene in sample_scenes(n, seed=UNSEEN + 1)]))
ladder = reconstruct(space, images, pca, components=components, seed=0, num_inference_steps=steps)
z = space.encode_images(images).unit
table = []
for j, k in enumerate(components):
    cosines = space.encode_images([row[j] for row in ladder.rows]).unit @ z.T
    others = cosines[~np.eye(len(z), dtype=bool)].mean() if len(z) > 1 else None
    share = pca.explained_variance_ratio_[:k].sum()
    table.append(
        {"components": k, "variance": share, "cosine to z": np.diag(cosines).mean(), "to the z of others": others}
    )

result = Result(
    "pca script", table, provenance=provenance("reconstruct", space, seed=0, n=n, components=list(components))
)
print(result)
result.save("results/pca_reconstruction_script.json")
with paper("neurips"):
    figure = page("neurips")
    grid(stacked(ladder.rows), column_labels=ladder.labels["columns"], ax=figure.subplots())
    print("wrote", *save_figure(trim(figure), "results/pca_reconstruction_script"))
