"""How should a text be given to a decoder of image embeddings? (DALL-E 2, figure 8)

python analyses/prior_ablation.py [TEXT ...]        QUICK=1 takes seconds

One decoder, one noise per text, three conditions: none, the text embedding in the image's place, and the prior's image
embedding. The cosine of each image to its own text stands beside the mean cosine to the other texts.
"""

import os
import sys

import numpy as np

from clipspace import generate, load_space
from clipspace.plot import grid, page, paper, save_figure, trim
from clipspace.results.pictures import stacked
from clipspace.results.provenance import provenance
from clipspace.results.result import Result

steps = 2 if os.environ.get("QUICK") else 20
texts = sys.argv[1:] or [
    "a red apple on white",
    "a blue house on mint",
    "an orange fish on navy",
    "a purple cat on beige",
]
space = load_space("mini")

to_texts = space.encode_texts(texts).unit
table, rows = [], []
for source in ("none", "text", "prior"):
    images = generate(space, texts, n=1, source=source, seed=0, num_inference_steps=steps).images
    cosines = space.encode_images(images).unit @ to_texts.T
    others = cosines[~np.eye(len(texts), dtype=bool)].mean() if len(texts) > 1 else None
    table.append({"condition": source, "cosine to its text": np.diag(cosines).mean(), "to the other texts": others})
    rows.append(images)

result = Result("prior_ablation script", table, provenance=provenance("generate", space, seed=0, texts=texts))
print(result)
result.save("results/prior_ablation_script.json")
with paper("neurips"):
    figure = page("neurips")
    grid(stacked(rows), row_labels=["none", "text", "prior"], column_labels=texts, wrap=11, ax=figure.subplots())
    print("wrote", *save_figure(trim(figure), "results/prior_ablation_script"))
