"""Measure the mini space and print the table of its model card.

    python -m clipspace.mini.evaluate                 # everything, as a Markdown table
    python -m clipspace.mini.evaluate --only cycle inversion

Every scene and seed here is one that no training saw (training used seed 0 of `scenes.sample_scenes`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from clipspace.embeddings import Embeddings
from clipspace.images import psnr
from clipspace.manipulate import interpolate, reconstruct, text_diff
from clipspace.pca import PCA
from clipspace.probes.descriptions import describe, sentence, truth
from clipspace.probes.zero_shot import label_weights
from clipspace.scenes import COLORS, GROUNDS, THINGS, Scene, caption, render, sample_scenes
from clipspace.scenes.captions import article
from clipspace.scenes.factors import consistent
from clipspace.scenes.reading import read_color, read_ground, read_thing
from clipspace.space import Space, load_space

Row = tuple[str, str, str]
"""What was measured, the figure, and the bar it is held to ("" for none)."""

SEED = 1000


def retrieval(space: Space, n: int = 1000) -> list[Row]:
    """Recall@1 both ways among held-out pairs, beside a reader that knows every fact of every scene.

    Of a caption it guesses evenly among the scenes it is true of; of a scene it takes the caption that says
    most of what is true. It does not know how often what is said, so it is a yardstick and not a ceiling.
    """
    scenes = sample_scenes(n, seed=SEED)
    captions = [caption(scene, np.random.default_rng([SEED, i, 1])) for i, scene in enumerate(scenes)]
    similarity = (
        space.encode_texts([c.text for c in captions]).unit @ space.encode_images([render(s) for s in scenes]).unit.T
    )
    truth = np.arange(n)
    matches = np.array([[consistent(scene, c.claims) for scene in scenes] for c in captions])
    specificity = np.array([len(c.claims) for c in captions])[:, None] * matches
    first = specificity.max(axis=0)
    ties = (specificity == first).sum(axis=0)
    hit = specificity[truth, truth] == first
    to_image, to_text = (similarity.argmax(1) == truth).mean(), (similarity.argmax(0) == truth).mean()
    return [
        (
            "recall@1, text to image, of 1,000",
            f"{to_image:.3f} (fact reader {(1 / matches.sum(1)).mean():.3f})",
            "≥ 0.70",
        ),
        (
            "recall@1, image to text, of 1,000",
            f"{to_text:.3f} (fact reader {(hit / ties).mean():.3f})",
            "≥ 0.70",
        ),
    ]


def zero_shot_accuracy(space: Space, n: int = 1000) -> list[Row]:
    """Colour and thing together, 144 labels, on single plain things."""
    scenes = _plain(n, SEED + 1)
    color, thing = _read_by_clip(space, space.encode_images([render(s) for s in scenes]))
    right = [(c, k) == (s.things[0].color, s.things[0].kind) for c, k, s in zip(color, thing, scenes, strict=True)]
    return [("zero-shot, colour × thing (144), single plain things", f"{np.mean(right):.3f}", "≥ 0.97")]


def typographic(space: Space, n: int = 500) -> list[Row]:
    """A card with another thing's name against a blank card of the same size and place."""
    labels = [*THINGS, "ipod"]
    weights = label_weights(space, [article(label) for label in labels])
    scenes = sample_scenes(n, seed=SEED + 2, layout="one+card")
    rng = np.random.default_rng(SEED + 2)
    words = [str(rng.choice([w for w in labels if w != s.things[0].kind])) for s in scenes]

    def best(cards: list[str]) -> list[str]:
        images = [render(s.with_card(word)) for s, word in zip(scenes, cards, strict=True)]
        return [labels[i] for i in (space.encode_images(images).unit @ weights.T).argmax(axis=1)]

    attacked, blank = best(words), best([""] * n)
    success = np.mean([a == w for a, w in zip(attacked, words, strict=True)])
    control = np.mean([b == w for b, w in zip(blank, words, strict=True)])
    intact = np.mean([b == s.things[0].kind for b, s in zip(blank, scenes, strict=True)])
    return [
        ("typographic attack: card names another thing", f"{success:.3f}", "≥ 0.50"),
        (
            "same card left blank: read as that other thing",
            f"{control:.3f} (read as the thing itself {intact:.3f})",
            "≤ 0.15",
        ),
    ]


def cycle(space: Space, n: int = 200) -> list[Row]:
    """E(D(z)) against z, and whether decodes keep what they show."""
    scenes = sample_scenes(n, seed=SEED + 3)
    points = space.encode_images([render(s) for s in scenes])
    again = space.encode_images(space.decode(points, seed=SEED, batch_size=32)).unit
    every = points.unit @ again.T
    unrelated = every[~np.eye(n, dtype=bool)]
    return [
        (
            "cycle cosine of E(D(z)) and z, all layouts",
            f"{np.diag(every).mean():.3f} (unrelated pairs {unrelated.mean():.3f})",
            "≥ 0.90",
        ),
        *_kept(space, n),
    ]


def _kept(space: Space, n: int) -> list[Row]:
    """Colour and thing of decoded single things, by the encoder and by the readers, with the readers' own accuracy."""
    scenes = sample_scenes(n, seed=SEED + 4, layout="one")
    originals = [render(s) for s in scenes]
    points = space.encode_images(originals)
    decoded = space.decode(points, seed=SEED, batch_size=32)
    again = space.encode_images(decoded)
    true_color, true_thing = [s.things[0].color for s in scenes], [s.things[0].kind for s in scenes]
    clip_color, clip_thing = _read_by_clip(space, again)

    def rate(read: list, truth: list) -> str:
        return f"{np.mean([a == b for a, b in zip(read, truth, strict=True)]):.3f}"

    control_color, control_thing = ([read(i) for i in originals] for read in (read_color, read_thing))
    mine_color, mine_thing = ([read(i) for i in decoded] for read in (read_color, read_thing))
    cosine = np.einsum("nd,nd->n", points.unit, again.unit).mean()
    return [
        ("cycle cosine, single things", f"{cosine:.3f}", ""),
        ("decodes keep the colour: zero-shot", rate(clip_color, true_color), "≥ 0.95"),
        (
            "decodes keep the colour: pixel reader",
            f"{rate(mine_color, true_color)} (on originals {rate(control_color, true_color)})",
            "≥ 0.95",
        ),
        ("decodes keep the thing: zero-shot", rate(clip_thing, true_thing), "≥ 0.90"),
        (
            "decodes keep the thing: template reader",
            f"{rate(mine_thing, true_thing)} (on originals {rate(control_thing, true_thing)})",
            "≥ 0.90",
        ),
    ]


def inversion(space: Space, n: int = 200) -> list[Row]:
    """decode(invert(x)) against x, 50 steps, guidance 1; and the statistics of the codes."""
    images = [render(s) for s in sample_scenes(n, seed=SEED + 5)]
    points = space.encode_images(images)
    rows: list[Row] = []
    for method, bar in (("exact", "≥ 40 mean, ≥ 35 worst"), ("ddim", "")):
        code = space.invert(images, embeddings=points, method=method, batch_size=32)
        decoded = space.decode(code.embeddings, **code.settings, batch_size=32)
        quality = np.array([psnr(a, b) for a, b in zip(images, decoded, strict=True)])
        quality = np.minimum(quality, 99.0)
        figure = f"{quality.mean():.1f} mean, {quality.min():.1f} worst, {code.evaluations.mean():.0f} evaluations"
        rows.append((f"inversion, {method}, PSNR in dB of {n}, 50 steps", figure, bar))
        if method == "exact":
            rows.append(_code_statistics(code.noise))
    return rows


def _code_statistics(noise: np.ndarray) -> Row:
    across = np.mean([np.corrcoef(x[:, :, :-1].ravel(), x[:, :, 1:].ravel())[0, 1] for x in noise])
    figure = f"mean {noise.mean():.3f}, sd {noise.std():.3f}, neighbour correlation {across:.3f}"
    return ("statistics of x_T (a standard normal: 0, 1, 0)", figure, "")


def ends(space: Space, n: int = 20) -> list[Row]:
    """The two ends of an interpolation with inverted noise against the images it was given."""
    images = [render(s) for s in sample_scenes(2 * n, seed=SEED + 6)]
    code = space.invert(images, batch_size=40)
    found = []
    for i in range(0, 2 * n, 2):
        frames = interpolate(space, code[i], code[i + 1], steps=2).images
        found += [psnr(frames[0], images[i]), psnr(frames[1], images[i + 1])]
    found = np.minimum(found, 99.0)
    return [
        (
            f"interpolation ends, PSNR in dB of {n} pairs",
            f"{np.mean(found):.1f} mean, {np.min(found):.1f} worst",
            "≥ 35",
        )
    ]


def text_edits(space: Space, n: int = 100) -> list[Row]:
    """Edits of colour, thing or ground: does the new text come nearer, does the edit arrive, does the rest stay?"""
    scenes = sample_scenes(n, seed=SEED + 7, layout="one")
    rng = np.random.default_rng(SEED + 7)
    images = [render(scene) for scene in scenes]
    settings = {"num_inference_steps": 20}
    code = space.invert(images, batch_size=50, **settings)
    rising, arrived, stayed, first, pixel_rising = [], [], [], [], []
    for i, scene in enumerate(scenes):
        facts = truth(scene)
        factor = ("color", "thing", "ground")[i % 3]
        values = {"color": COLORS, "thing": THINGS, "ground": GROUNDS}[factor]
        new = facts | {factor: str(rng.choice([v for v in values if v != facts[factor]]))}
        edit = text_diff(space, code[i], sentence(facts), sentence(new), steps=5, **settings)
        rising.append(bool((np.diff(edit.scores["cosine to after"][0]) > 0).all()))
        pixel_rising.append(bool((np.diff(edit.scores["cosine of the image to after"][0]) > -0.01).all()))
        read = _read(space, edit.images[-1])
        arrived.append(read[factor] == new[factor])
        stayed += [read[other] == facts[other] for other in facts if other != factor]
        first.append(psnr(edit.images[0], images[i]))
    worst = np.min(np.minimum(first, 99.0))
    return [
        (f"text diff: cosine of z to the new text rises at every step, of {n}", f"{np.mean(rising):.2f}", "≥ 0.90"),
        ("text diff: cosine of the redrawn image rises (within 0.01)", f"{np.mean(pixel_rising):.2f}", "≥ 0.90"),
        ("text diff: the new value is read off the last image", f"{np.mean(arrived):.2f}", ""),
        ("text diff: the other two factors are still read", f"{np.mean(stayed):.2f}", "≥ 0.90"),
        ("text diff: step 0 is the reconstruction, worst PSNR in dB, 20 steps", f"{worst:.1f}", "≥ 35"),
    ]


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


def pca_ladder(space: Space, n: int = 60) -> list[Row]:
    """What is read off images decoded from the first k principal components."""
    fitted = PCA().fit(space.encode_images([render(s) for s in sample_scenes(3000, seed=SEED + 10)]).unit)
    scenes = sample_scenes(n, seed=SEED + 11, layout="one")
    counts = (2, 4, 8, 16, 32, 64, 128)
    ladder = reconstruct(space, [render(s) for s in scenes], fitted, components=counts, num_inference_steps=20)
    rows: list[Row] = []
    for j, k in enumerate(counts):
        images = [row[j] for row in ladder.rows]
        color, thing = _read_by_clip(space, space.encode_images(images))
        rates = {
            "ground": np.mean([read_ground(i) == s.ground for i, s in zip(images, scenes, strict=True)]),
            "colour": np.mean([c == s.things[0].color for c, s in zip(color, scenes, strict=True)]),
            "thing": np.mean([t == s.things[0].kind for t, s in zip(thing, scenes, strict=True)]),
        }
        variance = fitted.explained_variance_ratio_[:k].sum()
        figure = ", ".join(f"{name} {rate:.2f}" for name, rate in rates.items())
        rows.append(
            (
                f"PCA ladder, {k} components ({variance:.0%} of variance)",
                figure,
                "in order of variance" if k == counts[0] else "",
            )
        )
    return rows


def speed(space: Space) -> list[Row]:
    """Our sampler against diffusers' own DDIM loop on the same network, steps and batch."""
    import torch
    from diffusers import DDIMScheduler

    from clipspace.mini.train_decoder import SCHEDULER

    decoder, n, steps = space.decoder, 16, 20
    assert decoder is not None
    points = space.encode_images([render(s) for s in sample_scenes(n, seed=SEED + 12)])
    noise = space.noise(n, seed=0)

    @torch.inference_mode()
    def theirs() -> torch.Tensor:
        scheduler = DDIMScheduler(**SCHEDULER)
        scheduler.set_timesteps(steps)
        x, cond = torch.from_numpy(noise), decoder.condition(torch.from_numpy(points.vectors.copy()))
        for t in scheduler.timesteps:
            v = decoder.unet(x, t, encoder_hidden_states=None, class_labels=cond).sample
            x = scheduler.step(v, t, x).prev_sample
        return x

    def ours() -> list:
        return space.decode(points, noise=noise, num_inference_steps=steps)

    times: dict[Callable, list[float]] = {theirs: [], ours: []}
    for _ in range(6):
        for run, spent in times.items():
            begun = time.perf_counter()
            run()
            spent.append(time.perf_counter() - begun)
    a, b = np.median(times[theirs][1:]), np.median(times[ours][1:])
    return [
        ("decoding, images a second (diffusers' loop; ratio)", f"{n / b:.1f} ({n / a:.1f}; {a / b:.2f}×)", "≥ 1.0×")
    ]


def start_up(space: Space) -> list[Row]:
    """`import clipspace` and `clipspace demo` in fresh processes."""

    def seconds(*command: str) -> float:
        begun = time.perf_counter()
        subprocess.run([sys.executable, *command], check=True, capture_output=True)
        return time.perf_counter() - begun

    bare = np.median([seconds("-c", "pass") for _ in range(9)])
    numpy = np.median([seconds("-c", "import numpy") for _ in range(9)]) - bare
    ours = np.median([seconds("-c", "import clipspace") for _ in range(9)]) - bare
    with tempfile.TemporaryDirectory() as folder:
        demo = seconds("-m", "clipspace.cli", "demo", "-o", f"{folder}/demo")
    return [
        ("`import clipspace` over `import numpy`", f"{ours / numpy:.2f}×", "≤ 2×"),
        ("`clipspace demo`, cold start, seconds", f"{demo:.0f}", "≤ 180"),
    ]


PARTS: dict[str, Callable[[Space], list[Row]]] = {
    "retrieval": retrieval,
    "zero-shot": zero_shot_accuracy,
    "typographic": typographic,
    "cycle": cycle,
    "inversion": inversion,
    "ends": ends,
    "text-diff": text_edits,
    "prior": prior,
    "pca": pca_ladder,
    "speed": speed,
    "start-up": start_up,
}


def _plain(n: int, seed: int) -> list[Scene]:
    return [s for s in sample_scenes(3 * n, seed=seed, layout="one") if s.things[0].texture == "plain"][:n]


def _read_by_clip(space: Space, points: Embeddings) -> tuple[list[str], list[str]]:
    """Colour and thing of each point, by zero-shot over all pairs."""
    found = describe(space, points)
    return [facts["color"] for facts in found], [facts["thing"] for facts in found]


def _read(space: Space, image) -> dict[str, str | None]:
    return {"color": read_color(image), "thing": read_thing(image), "ground": read_ground(image)}


def as_markdown(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    return "\n".join(["| what | measured | bar |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)])


def write_card(rows: list[Row], card: Path = Path(__file__).parent / "MODEL_CARD.md") -> None:
    """Replace the table between the markers of the model card."""
    head, _, rest = card.read_text().partition("<!-- table -->\n")
    tail = rest.partition("<!-- /table -->")[2]
    card.write_text(f"{head}<!-- table -->\n{as_markdown(rows)}\n<!-- /table -->{tail}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--work", type=Path, help="measure the folders of a training run instead of the shipped ones")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--card", action="store_true", help="put the table into MODEL_CARD.md beside this file")
    args = parser.parse_args()
    if args.work:
        found = load_space(f"local-dir:{args.work / 'clip'}", decoder=args.work / "decoder", prior=args.work / "prior")
    else:
        found = load_space("mini")
    table: list[Row] = []
    for part in args.only:
        begun = time.monotonic()
        table += PARTS[part](found)
        print(f"{part}: {time.monotonic() - begun:.0f} s", file=sys.stderr)
    if args.card:
        write_card(table)
    print(json.dumps(table, ensure_ascii=False, indent=2) if args.json else as_markdown(table))
