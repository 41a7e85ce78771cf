"""The main job, shown: every manipulation on a handful of images, as pictures with numbers and one page."""

from __future__ import annotations

import html
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from clipspace.analyses.edits import edits
from clipspace.analyses.examples import EXAMPLES
from clipspace.codes import Code
from clipspace.errors import InputError
from clipspace.images import psnr, read_images, square
from clipspace.manipulate import generate, interpolate, reconstruct, text_diff, variations
from clipspace.pca import PCA
from clipspace.pictures import draw_sheet
from clipspace.probes.zero_shot import zero_shot
from clipspace.saving import atomically
from clipspace.scenes import THINGS, Card, draw_card, render, sample_scenes
from clipspace.scenes.captions import article
from clipspace.space import Space, load_space

TEXTS = ("a green tree on a grey ground", "a yellow star above a blue car", "a sign that says pizza")
_COMPONENTS = (2, 4, 8, 16, 32, 64, 128)
_STEPS = 50
_FEW = 25


@dataclass
class Section:
    """One part of the page: a title, what to look for, picture files, and a table of numbers."""

    title: str
    text: str
    pictures: list[str]
    table: list[list[str]] = field(default_factory=list)


def run_demo(
    images: Sequence | None,
    folder: str | Path,
    *,
    space: str = "mini",
    seed: int = 0,
    device: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write every manipulation of ``images`` (bundled scenes when None) into ``folder``; returns its page.

    Each section is written as soon as it is computed, so what an interrupted run leaves is whole.
    """
    folder = Path(folder)
    page = folder / "index.html"
    if folder.exists() and not folder.is_dir():
        raise InputError(f"demo: expected a folder, got the file {str(folder)!r}; choose another name")
    if page.exists() and not overwrite:
        raise InputError(
            f"demo: {str(folder)!r} holds a demo already; choose another folder with -o, or pass --overwrite"
        )
    sources = [render(scene) for scene in EXAMPLES] if images is None else read_images(images)[0]
    if len(sources) < 2:
        raise InputError(f"demo: expected two images or more, got {len(sources)}")
    loaded = load_space(space, device=device)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"demo: could not make the folder {str(folder)!r}: {error}") from error
    sources = [square(image, _side(loaded)) for image in sources[:4]]
    begun, done = time.monotonic(), []
    for section in _sections(loaded, sources, seed, folder):
        done.append(section)
        print(f"{time.monotonic() - begun:5.0f} s  {section.title}", file=sys.stderr)
    with atomically(page, overwrite=True) as part:
        part.write_text(_page(done, loaded, seed), encoding="utf-8")
    with atomically(folder / "numbers.json", overwrite=True) as part:
        part.write_text(json.dumps({s.title: s.table for s in done}, indent=2, ensure_ascii=False))
    return page


def _side(space: Space) -> int:
    if space.decoder is None:
        raise InputError(f"demo: expected a space with a decoder, got {space.name!r}; see `clipspace spaces`")
    return space.decoder.resolution


def _sections(space: Space, images: list[Image.Image], seed: int, folder: Path) -> Iterator[Section]:
    code = space.invert(images, num_inference_steps=_STEPS)
    yield _inversion(space, images, code, folder)
    yield _variations(space, code, seed, folder)
    yield _interpolation(space, code, seed, folder)
    yield _text_diff(space, code, seed, folder)
    yield _pca(space, images, seed, folder)
    yield _typographic(space, images[0], seed, folder)
    if space.prior_model is not None:
        yield _generation(space, seed, folder)


def _inversion(space: Space, images: list[Image.Image], exact: Code, folder: Path) -> Section:
    approximate = space.invert(images, embeddings=exact.embeddings, method="ddim", num_inference_steps=_STEPS)
    rows, table = [images], [["image", "exact, dB", "DDIM, dB", "evaluations, exact", "evaluations, DDIM"]]
    decoded = [space.decode(code.embeddings, **code.settings) for code in (exact, approximate)]
    quality = [[psnr(a, b) for a, b in zip(images, row, strict=True)] for row in decoded]
    for i in range(len(images)):
        counts = [str(int(code.evaluations[i])) for code in (exact, approximate)]
        table.append([f"image {i + 1}", *(f"{q[i]:.1f}" for q in quality), *counts])
    sheet = draw_sheet([*rows, *decoded], row_labels=["source", "exact", "DDIM"])
    text = (
        "Every image is two things: its embedding z, and the noise x_T that holds the rest. Decoding both must give "
        "the image back. Exact inversion solves every sampler step for its input; the usual DDIM inversion approximates it."
    )
    return Section("Inversion", text, [_save(sheet, folder, "inversion.png")], table)


def _variations(space: Space, code: Code, seed: int, folder: Path) -> Section:
    results = [variations(space, code[i], n=6, seed=seed, num_inference_steps=_STEPS) for i in range(len(code))]
    table = [["image", "mean cosine of E(variation) to z"]]
    for i, result in enumerate(results):
        again = space.encode_images(result.images[1:]).unit
        table.append([f"image {i + 1}", f"{(again @ code.embeddings.unit[i]).mean():.2f}"])
    sheet = draw_sheet([r.rows[0] for r in results], column_labels=results[0].column_labels)
    text = "Images that share one embedding. What stays the same is what CLIP keeps; what changes is what it ignores."
    return Section("Variations", text, [_save(sheet, folder, "variations.png")], table)


def _interpolation(space: Space, code: Code, seed: int, folder: Path) -> Section:
    inverted = interpolate(space, code[0], code[1], steps=9, seed=seed, num_inference_steps=_STEPS)
    fixed = interpolate(space, code[0], code[1], steps=9, noise="fixed", seed=seed, num_inference_steps=_STEPS)
    sheet = draw_sheet(
        [inverted.rows[0], fixed.rows[0]],
        row_labels=["inverted noise", "fixed noise"],
        column_labels=inverted.column_labels,
    )
    movie = folder / "interpolation.gif"
    inverted.save(movie, overwrite=True, fps=6)
    text = (
        "The great circle between two embeddings. With inverted noise x_T moves too and both ends are the images "
        "themselves; with one fixed noise, only what the embedding holds changes."
    )
    return Section("Interpolation", text, [_save(sheet, folder, "interpolation.png"), movie.name])


def _text_diff(space: Space, code: Code, seed: int, folder: Path) -> Section:
    rows, labels, table = [], [], [["image", "from", "to", "cosine to the new text, first and last image"]]
    for i, (before, after) in enumerate(edits(space, code.embeddings)):
        result = text_diff(space, code[i], before, after, seed=seed, num_inference_steps=_STEPS)
        found = result.scores["cosine of the image to after"][0]
        rows.append(result.rows[0])
        labels.append(
            f"{before}\nto {after.removeprefix('a photo of ')}".replace("a photo of ", "").replace(" on ", "\non ")
        )
        table.append([f"image {i + 1}", before, after, f"{found[0]:.2f} to {found[-1]:.2f}"])
    sheet = draw_sheet(rows, row_labels=labels, column_labels=result.column_labels)
    text = (
        "The embedding moves towards what the second text says and the first does not, by the fraction of the angle "
        "over each column, with the noise held: the first column is the reconstruction. "
        "The first text is the zero-shot reading of the image."
    )
    return Section("Text diff", text, [_save(sheet, folder, "text-diff.png")], table)


def _pca(space: Space, images: list[Image.Image], seed: int, folder: Path) -> Section:
    corpus = space.encode_images([render(scene) for scene in sample_scenes(1000, seed=seed + 1)])
    fitted = PCA().fit(corpus.unit)
    counts = [k for k in _COMPONENTS if k <= fitted.n_components_]
    result = reconstruct(space, images, fitted, components=counts, seed=seed, num_inference_steps=_FEW)
    shares = np.cumsum(fitted.explained_variance_ratio_)
    table = [["components", *map(str, counts)], ["variance explained", *(f"{shares[k - 1]:.0%}" for k in counts)]]
    table.append(
        ["mean cosine to z", *(f"{c:.2f}" for c in result.scores["cosine to the full embedding"].mean(axis=0))]
    )
    text = "Decoded from the first components only, one noise for all. What appears first is what varies most over a set of 1,000 scenes."
    return Section("PCA ladder", text, [_save(result.sheet(), folder, "pca.png")], table)


def _typographic(space: Space, image: Image.Image, seed: int, folder: Path) -> Section:
    def card(word: str) -> Image.Image:
        return draw_card(image, Card(word, y=0.78, width=0.62))

    names, pictures = ["bare", "blank card", "ipod", "pizza"], [image, card(""), card("ipod"), card("pizza")]
    thing = zero_shot(space, [image], [article(k) for k in THINGS]).best[0]
    labels = list(dict.fromkeys([thing, "an ipod", "a pizza"]))
    points = space.encode_images(pictures)
    read = zero_shot(space, points, labels).probabilities
    decoded = [space.decode(points, seed=seed + k, num_inference_steps=_FEW) for k in range(3)]
    again = np.mean([zero_shot(space, d, labels).probabilities for d in decoded], axis=0)
    table = [["card", *(f"P({label})" for label in labels), *(f"after decoding, P({label})" for label in labels)]]
    table += [[name, *(f"{p:.1%}" for p in (*read[i], *again[i]))] for i, name in enumerate(names)]
    heads = [f"{name}\n" + " ".join(f"{p:.0%}" for p in read[i]) for i, name in enumerate(names)]
    sheet = draw_sheet([pictures, *decoded], row_labels=["source", *["decoded"] * 3], column_labels=heads)
    text = (
        "The same picture with a printed word. Over each column, the zero-shot probabilities of "
        f"{', '.join(labels)}; below it, what the decoder draws from z."
    )
    return Section("Typographic attack", text, [_save(sheet, folder, "typographic.png")], table)


def _generation(space: Space, seed: int, folder: Path) -> Section:
    kinds = ("none", "text", "prior")
    rows, labels, table = [], [], [["condition", *TEXTS]]
    for kind in kinds:
        result = generate(space, TEXTS, n=3, source=kind, seed=seed, num_inference_steps=_FEW)
        again = np.einsum(
            "nd,nd->n",
            space.encode_images(result.images).unit,
            np.repeat(space.encode_texts(list(TEXTS)).unit, 3, axis=0),
        )
        table.append([kind, *(f"{c:.2f}" for c in again.reshape(len(TEXTS), -1).mean(axis=1))])
        rows.append(result.images)
        labels.append({"none": "no condition", "text": "text embedding", "prior": "prior"}[kind])
    sheet = draw_sheet(rows, row_labels=labels, column_labels=[text for text in TEXTS for _ in range(3)])
    text = (
        "Three conditions of the decoder: nothing, the text embedding in the image's place, and an image embedding drawn by "
        "the prior. The table gives the mean cosine of the drawn images to the text."
    )
    return Section("Text to image", text, [_save(sheet, folder, "generation.png")], table)


def _save(sheet: Image.Image, folder: Path, name: str) -> str:
    with atomically(folder / name, overwrite=True) as part:
        sheet.save(part)
    return name


_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222226; background: #fff }
img { max-width: 100%; height: auto } table { border-collapse: collapse; font-size: 0.85rem; margin: 0.5rem 0 }
td, th { border-bottom: 1px solid #ddd; padding: 0.2rem 0.7rem; text-align: left } div { overflow-x: auto } h2 { margin-top: 2.5rem }
"""


def _page(sections: list[Section], space: Space, seed: int) -> str:
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>clipspace demo</title>',
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>',
        f"<h1>clipspace demo</h1><p>Space {html.escape(str(space.stamp))}, seed {seed}.</p>",
    ]
    for section in sections:
        parts.append(f"<h2>{html.escape(section.title)}</h2><p>{html.escape(section.text)}</p>")
        parts += [f'<p><img src="{name}" alt="{html.escape(section.title)}"></p>' for name in section.pictures]
        if section.table:
            head, *body = section.table
            cells = "".join(f"<th>{html.escape(c)}</th>" for c in head)
            rows = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in body)
            parts.append(f"<div><table><tr>{cells}</tr>{rows}</table></div>")
    return "\n".join([*parts, "</body></html>", ""])
