"""What does it cost to find the noise that reproduces an image? (Dhariwal and Nichol 2021, arXiv 2105.05233, appendix F)

python analyses/inversion.py [IMAGE ...]        QUICK=1 takes seconds

Images are inverted by DDIM, the baseline, and by fixed points, which is exact for its sampler; then decoded again. A PSNR
of 99 dB is the same image to the last bit. Costs are evaluations of the network, the same for both.
"""

import os
import sys

import numpy as np
from matplotlib.figure import Figure

from clipspace import load_space
from clipspace.plot import curves, paper, save_figure, width
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.scenes import UNSEEN, render, sample_scenes
from clipspace.sources.images import psnr, read_image, square

tried = (10, 20) if os.environ.get("QUICK") else (20, 40, 80)
space = load_space("mini")
images = [square(read_image(path), space.decoder.resolution) for path in sys.argv[1:]]
images = images or [render(scene) for scene in sample_scenes(2, seed=UNSEEN, layout="one")]

table = []
for method in ("exact", "ddim"):
    for steps in tried:
        code = space.invert(images, method=method, num_inference_steps=steps)
        again = space.decode(code.embeddings, noise=code.noise, num_inference_steps=steps)
        quality = np.mean([psnr(a, b, most=99) for a, b in zip(images, again, strict=True)])
        table.append({"method": method, "steps": steps, "evaluations": code.evaluations.mean(), "PSNR": quality})

result = Result("inversion script", table, provenance=provenance("invert", space, steps=list(tried)))
print(result)
result.save("results/inversion_script.json")
with paper("neurips"):
    figure = Figure(figsize=(width("neurips"), 2.4))
    ax = figure.subplots()
    ax.set(xscale="log", xlabel="network evaluations", ylabel="PSNR in dB", ylim=(0, 105))
    lines = {method: result.where(method=method) for method in ("exact", "ddim")}
    evaluations, decibels = ({m: rows.column(c) for m, rows in lines.items()} for c in ("evaluations", "PSNR"))
    curves(evaluations, decibels, marker="o", ends=False, ax=ax)
    print("wrote", *save_figure(figure, "results/inversion_script"))
