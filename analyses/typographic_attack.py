"""Does a printed word change what CLIP sees in an image? (DALL-E 2, figure 6; Goh et al. 2021)

python analyses/typographic_attack.py [IMAGE ...]        QUICK=1 takes seconds

Zero-shot reads every image bare, with a blank card (the control: what it does, the card does) and with a word on the card.
Shares are given beside chance; here the images are rendered, so that what they show is known.
"""

import os
import sys

import numpy as np
from matplotlib.figure import Figure

from clipspace import load_space, zero_shot
from clipspace.plot import COLORS, intervals, paper, save_figure, width
from clipspace.probes.typographic import print_word
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.scenes import THINGS, UNSEEN, render, sample_scenes
from clipspace.sources.images import read_image

n = 10 if os.environ.get("QUICK") else 200
labels = list(THINGS)
space = load_space("mini")
scenes = sample_scenes(n, seed=UNSEEN, layout="one")
images = [read_image(path) for path in sys.argv[1:]] or [render(scene) for scene in scenes]
# of images of yours, the thing is what zero-shot reads off the bare image
bare = zero_shot(space, images, labels).probabilities.argmax(axis=1)
things = bare if sys.argv[1:] else np.array([labels.index(scene.things[0].kind) for scene in scenes])
words = (things + 1 + np.random.default_rng(0).integers(len(labels) - 1, size=len(images))) % len(labels)

cards = {
    "bare": images,
    "blank card": [print_word(image, "") for image in images],
    "word": [print_word(image, labels[word]) for image, word in zip(images, words, strict=True)],
}
table = []
for card, shown in cards.items():
    read = zero_shot(space, shown, labels).probabilities.argmax(axis=1)
    row = {"read as the thing": (read == things).mean(), "read as the word": (read == words).mean()}
    table.append({"card": card, **row, "chance": 1 / len(labels), "n": len(images)})

result = Result("typographic_attack script", table, provenance=provenance("zero_shot", space, seed=0, n=len(images)))
print(result)
result.save("results/typographic_attack_script.json")
with paper("neurips"):
    figure = Figure(figsize=(width("neurips"), 1.6))
    ax = figure.subplots()
    for name, color in (("read as the thing", COLORS[0]), ("read as the word", COLORS[1])):
        chance = result.column("chance")
        intervals(list(cards), result.column(name), chance=chance, color=color, label=name, ax=ax)
    ax.legend()
    ax.set(xlim=(-0.03, 1.03), xlabel="share of images; chance is grey")
    print("wrote", *save_figure(figure, "results/typographic_attack_script"))
