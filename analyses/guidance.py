"""What does guidance improve, and what does it cost? (DALL-E 2, figure 9)

python analyses/guidance.py [IMAGE ...]        QUICK=1 takes seconds

The same embeddings and noise, decoded at rising guidance scales. The cosine of E(image) to z should rise and not that to
the z of other images; the diversity of draws that share z is what guidance may cost. E judges what E steered: circular.
"""

import os
import sys

import numpy as np

from clipspace import load_space
from clipspace.plot import grid, page, paper, save_figure, trim
from clipspace.results.pictures import stacked
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.scenes import UNSEEN, render, sample_scenes

steps, scales, draws = (2, (1.0, 3.0), 2) if os.environ.get("QUICK") else (20, (1.0, 2.0, 3.0, 4.0), 3)
space = load_space("mini")
z = space.encode_images(sys.argv[1:] or [render(scene) for scene in sample_scenes(3, seed=UNSEEN, layout="one")])

table, rows = [], []
for scale in scales:
    repeated = z[np.repeat(np.arange(len(z)), draws)]
    drawn = space.decode(repeated, seed=0, guidance_scale=scale, num_inference_steps=steps)
    again = space.encode_images(drawn).unit.reshape(len(z), draws, -1)
    cosines = np.einsum("nkd,md->nmk", again, z.unit).mean(axis=2)
    others = cosines[~np.eye(len(z), dtype=bool)].mean() if len(z) > 1 else None
    alike = np.einsum("nid,njd->nij", again, again)[:, ~np.eye(draws, dtype=bool)].mean()
    row = {"cosine to z": np.diag(cosines).mean(), "cosine to the z of others": others, "diversity": 1 - alike}
    table.append({"scale": scale, **row})
    rows.append(drawn)

result = Result(
    "guidance script", table, provenance=provenance("decode", space, seed=0, scales=list(scales), draws=draws)
)
print(result)
result.save("results/guidance_script.json")
with paper("neurips"):
    figure = page("neurips")
    grid(stacked(rows), row_labels=[f"scale {scale:g}" for scale in scales], ax=figure.subplots())
    print("wrote", *save_figure(trim(figure), "results/guidance_script"))
