"""How many directions does the space use? (DALL-E 2, section 2.2)

python analyses/spectrum.py [IMAGE ...]        QUICK=1 takes seconds

The share of the variance of embeddings that each principal component holds, of images and of captions. The baseline is
the same number of random directions, which a space that used all its dimensions alike would resemble.
"""

import os
import sys

import numpy as np
from matplotlib.figure import Figure

from clipspace import PCA, load_space
from clipspace.plot import curves, paper, save_figure, width
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.scenes import UNSEEN, caption, render, sample_scenes

n = 200 if os.environ.get("QUICK") else 3000
space = load_space("mini")
scenes = sample_scenes(n, seed=UNSEEN)
images = space.encode_images(sys.argv[1:] or [render(scene) for scene in scenes])
texts = {caption(scene, np.random.default_rng(i)).text for i, scene in enumerate(scenes)}
sets = {"images": images.unit, "captions": space.encode_texts(sorted(texts)).unit}
sets["random directions"] = np.random.default_rng(0).normal(size=sets["images"].shape)

held = {name: np.cumsum(PCA(normalize=True).fit(x).explained_variance_ratio_) for name, x in sets.items()}
table = [
    {
        "set": name,
        "points": len(sets[name]),
        **{f"for {share:.0%}": int((h < share).sum()) + 1 for share in (0.9, 0.99)},
    }
    for name, h in held.items()
]

result = Result("spectrum script", table, arrays=held, provenance=provenance("PCA", space, seed=UNSEEN, n=n))
print(result)
result.save("results/spectrum_script.json")
with paper("neurips"):
    figure = Figure(figsize=(width("neurips"), 2.4))
    ax = figure.subplots()
    ax.set(xlabel="components", ylabel="share of the variance held", ylim=(0, 1.03))
    curves({name: np.arange(1, len(h) + 1) for name, h in held.items()}, held, ends=False, ax=ax)
    print("wrote", *save_figure(figure, "results/spectrum_script"))
