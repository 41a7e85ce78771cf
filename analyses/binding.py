"""Does the space know which thing is red, and which is above the other? (Winoground, Thrush et al. 2022)

python analyses/binding.py        QUICK=1 takes seconds

Two images of the same two things, which differ in what is bound to what, and the two captions that say so. *text*: each
image is nearer to its own caption; *image*: each caption is nearer to its own image; *group*: both. Chance is beside.
"""

import os

import numpy as np
from matplotlib.figure import Figure

from clipspace import load_space
from clipspace.plot import intervals, paper, save_figure, width
from clipspace.probes.binding import KINDS, binding_quartets, expected_group_scores
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.results.table import scored
from clipspace.scenes import UNSEEN

n = 6 if os.environ.get("QUICK") else 100
chance = {"text": 1 / 4, "image": 1 / 4, "group": 1 / 6}
space = load_space("mini")

table = []
for kind in KINDS:
    quartets = binding_quartets(kind, n, seed=UNSEEN)
    images = space.encode_images([image for quartet in quartets for image in quartet.images]).unit
    captions = space.encode_texts([caption for quartet in quartets for caption in quartet.captions]).unit
    similarity = np.einsum("ncd,nid->nci", captions.reshape(n, 2, -1), images.reshape(n, 2, -1))
    for score, right in expected_group_scores(similarity).items():
        table.append(scored(kind=kind, score=score, value=float(right.mean()), chance=chance[score], n=n))

result = Result("binding script", table, provenance=provenance("binding", space, seed=UNSEEN, n=n))
print(result)
result.save("results/binding_script.json")
with paper("neurips"):
    figure = Figure(figsize=(width("neurips"), 0.2 * len(table) + 0.6))
    labels = [f"{row.kind}, {row.score}" for row in result.table]
    ax = intervals(labels, result.column("value"), chance=result.column("chance"), ax=figure.subplots())
    ax.set(xlim=(-0.03, 1.03), xlabel="share of examples; chance is grey")
    print("wrote", *save_figure(figure, "results/binding_script"))
