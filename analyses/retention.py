"""Which factors of an image are in its embedding?

python analyses/retention.py        QUICK=1 takes seconds

Rendered scenes have known factors. Each is read out of z by a linear map and by nearest neighbours (skill: 0 is chance,
1 is perfect), beside the same for random weights: what those keep as well, training did not put there.
"""

import os

from matplotlib.figure import Figure

from clipspace import load_space
from clipspace.plot import COLORS, intervals, paper, save_figure, width
from clipspace.probes.factors import read_out
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.scenes import UNSEEN, factor_table, render, sample_scenes
from clipspace.space import untrained_space

n = 200 if os.environ.get("QUICK") else 2000
names = {
    "thing": "thing1",
    "colour": "color1",
    "background": "ground",
    "texture": "texture1",
    "size": "size1",
    "x": "x1",
}
spaces = {"trained": load_space("mini"), "random weights": untrained_space("mini", seed=0)}
scenes = sample_scenes(n, seed=UNSEEN, layout="one")
images, factors = [render(scene) for scene in scenes], factor_table(scenes)

table = []
for weights, space in spaces.items():
    points = space.encode_images(images)
    for name, column in names.items():
        for skill in read_out(points, factors[column], seed=0):
            table.append(
                {"weights": weights, "factor": name, "reader": skill.component, "value": skill.value, "chance": 0.0}
            )

result = Result("retention script", table, provenance=provenance("read_out", spaces["trained"], seed=UNSEEN, n=n))
print(result)
result.save("results/retention_script.json")
with paper("neurips"):
    figure = Figure(figsize=(width("neurips"), 0.3 * len(names) + 0.6))
    ax = figure.subplots()
    for weights, color in (("trained", COLORS[0]), ("random weights", COLORS[1])):
        for reader, marker in (("linear", "o"), ("neighbours", "^")):
            values = result.where(weights=weights, reader=reader).column("value")
            intervals(list(names), values, color=color, marker=marker, label=f"{weights}, {reader}", ax=ax)
    ax.legend()
    ax.set(xlim=(-0.2, 1.05), xlabel="skill; 0 is chance")
    print("wrote", *save_figure(figure, "results/retention_script"))
