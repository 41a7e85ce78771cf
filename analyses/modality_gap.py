"""How far apart are images and their captions? (Liang et al. 2022, arXiv 2203.02053)

python analyses/modality_gap.py        QUICK=1 takes seconds

The distance of the two means, the cosines of pairs beside those of images and captions that do not belong together, and
how often a caption finds its image first, beside chance. A cosine of an image and a text means nothing without these.
"""

import os

import numpy as np
from matplotlib.figure import Figure

from clipspace import load_space
from clipspace.plot import histogram, paper, save_figure, width
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.scenes import UNSEEN, caption, render, sample_scenes

n = 40 if os.environ.get("QUICK") else 1000
space = load_space("mini")
scenes = sample_scenes(n, seed=UNSEEN)
images = space.encode_images([render(scene) for scene in scenes]).unit
texts = space.encode_texts([caption(scene, np.random.default_rng(i)).text for i, scene in enumerate(scenes)]).unit

cosines = texts @ images.T
paired, unpaired = np.diag(cosines), cosines[~np.eye(n, dtype=bool)]
table = [
    {
        "score": "distance of the means",
        "value": np.linalg.norm(images.mean(axis=0) - texts.mean(axis=0)),
        "baseline": 0.0,
    },
    {"score": "cosine of pairs", "value": paired.mean(), "baseline": unpaired.mean()},
    {"score": "recall@1, text to image", "value": (cosines.argmax(axis=1) == np.arange(n)).mean(), "baseline": 1 / n},
]

result = Result("modality_gap script", table, provenance=provenance("modality_gap", space, seed=UNSEEN, n=n))
print(result)
result.save("results/modality_gap_script.json")
with paper("neurips"):
    figure = Figure(figsize=(width("neurips"), 2.2))
    edges = np.linspace(cosines.min(), cosines.max(), 40)
    counts = {"pairs": np.histogram(paired, edges)[0], "others": np.histogram(unpaired, edges)[0]}
    ax = histogram(edges, counts, ax=figure.subplots())
    ax.legend()
    ax.set(xlabel="cosine of an image and a caption", ylabel="share")
    print("wrote", *save_figure(figure, "results/modality_gap_script"))
