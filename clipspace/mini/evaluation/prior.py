"""What the prior adds to the text embedding itself."""

from __future__ import annotations

import numpy as np

from clipspace.mini.evaluation.reading import SEED, Row
from clipspace.points.embeddings import Embeddings
from clipspace.probes.mini_world import sentence, truth
from clipspace.scenes import Scene, caption, render, sample_scenes
from clipspace.scenes.reading import read_color, read_thing
from clipspace.space import Space


def prior(space: Space, n: int = 500) -> list[Row]:
    """Prior samples, and the text embedding used directly, against the true image embedding."""
    scenes = sample_scenes(n, seed=SEED + 8)
    texts = [caption(s, np.random.default_rng([SEED + 8, i, 1])).text for i, s in enumerate(scenes)]
    true = space.encode_images([render(s) for s in scenes]).unit
    text = space.encode_texts(texts)
    drawn = space.prior(text, seed=SEED).unit
    single = space.prior(text, seed=SEED, candidates=1).unit

    def agreement(x: np.ndarray) -> str:
        return f"{np.einsum('nd,nd->n', x, true).mean():.3f}"

    scenes = sample_scenes(100, seed=SEED + 9, layout="one")
    labels = space.encode_texts([sentence(truth(s)) for s in scenes])
    norm = float(space.encode_images([render(s) for s in scenes[:20]]).norm.mean())
    direct = Embeddings((labels.unit * norm).astype(np.float32), space.stamp, "image")
    shown = {
        name: _things_read(space, z, scenes)
        for name, z in (("prior", space.prior(labels, seed=SEED)), ("text", direct))
    }
    return [
        ("prior: cosine to the true z, best of two (one draw)", f"{agreement(drawn)} ({agreement(single)})", ""),
        ("text embedding itself: cosine to the true z", agreement(text.unit), "prior clearly better"),
        ("decoded from the prior: colour and thing both read", shown["prior"], ""),
        ("decoded from the text embedding: colour and thing both read", shown["text"], "prior clearly better"),
    ]


def _things_read(space: Space, points: Embeddings, scenes: list[Scene]) -> str:
    images = space.decode(points, seed=SEED, num_inference_steps=25, batch_size=32)
    truth = [(s.things[0].color, s.things[0].kind) for s in scenes]
    return f"{np.mean([(read_color(i), read_thing(i)) == t for i, t in zip(images, truth, strict=True)]):.2f}"
