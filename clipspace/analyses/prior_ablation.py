"""How should a text be given to a decoder of image embeddings?

Figure 8 of DALL-E 2 (Ramesh et al. 2022, arXiv 2204.06125, section 5.1): one decoder, one x_T for each text, and three
conditions: none, the text embedding in place of an image embedding, and an image embedding that the prior draws. Where the
texts are captions of scenes, the last row shows the true image embedding, which the prior tries to predict.

Each condition should be nearer to its text, and to the true image, than the one before. The baseline is the cosine to the
texts of the other images, which any image reaches.

Would contradict expectation: a text embedding that serves as well as the prior's. Then the two modalities hardly differ, or
the decoder ignores the difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from clipspace.analyses import Analysis, Cost
from clipspace.errors import check_count
from clipspace.manipulate import generate
from clipspace.probes.mini_world import sentence, truth
from clipspace.results.pictures import stacked
from clipspace.results.provenance import drawn_with, provenance
from clipspace.results.result import Result
from clipspace.scenes import render, sample_scenes
from clipspace.sources.images import square

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from clipspace.space import Space

ANALYSIS = Analysis(
    order=60,
    title="Prior ablation",
    takes=("captions",),
    scenes="captions of {n:,} rendered scenes",
    demo=True,
    options={
        "n": "Rendered scenes whose captions are drawn, when no texts are given.",
    },
    quick={"n": 2, "num_inference_steps": 3},
    cost=Cost(steps=960, images=60, seconds=0.3),
)

_CONDITIONS = {"none": "no condition", "text": "text embedding", "prior": "prior"}


def run(
    space: Space,
    texts: Sequence[str] | None = None,
    *,
    n: int = 12,
    seed: int = 0,
    num_inference_steps: int = 20,
) -> Result:
    """Each of ``texts``, or captions of ``n`` sampled scenes, decoded under every condition. Needs a prior."""
    check_count("n", n, least=2)
    scenes = sample_scenes(n, seed=seed + 3, layout="one") if texts is None else []
    prompts = list(texts or [sentence(truth(scene)) for scene in scenes])
    options = {"n": 1, "seed": seed, "num_inference_steps": num_inference_steps}
    # the prior first: a space without one says so before any work
    generated = {kind: generate(space, prompts, source=kind, **options) for kind in ("prior", "text", "none")}
    rows = {name: generated[kind].images for kind, name in _CONDITIONS.items()}
    points = {name: generated[kind].embeddings.unit for kind, name in _CONDITIONS.items() if kind != "none"}
    true = None
    if scenes:
        sources = [render(scene) for scene in scenes]
        embedded = space.encode_images(sources)
        rows["image embedding"] = space.decode(embedded, seed=seed, num_inference_steps=num_inference_steps)
        true = points["image embedding"] = embedded.unit
    text = space.encode_texts(prompts).unit
    table = [
        {"condition": name, **_agreement(space.encode_images(images).unit, points.get(name), text, true)}
        for name, images in rows.items()
    ]
    if scenes:
        rows["scene"] = [square(source, rows["prior"][0].width) for source in sources]
    return Result(
        "prior_ablation",
        table,
        _findings(table),
        {"images": stacked(list(rows.values()))},
        {"rows": list(rows), "columns": [text.removeprefix("a photo of ") for text in prompts]},
        provenance(
            "prior_ablation",
            space,
            texts=None if scenes else prompts,
            n=n,
            seed=seed,
            **drawn_with(space, num_inference_steps),
        ),
    )


def _agreement(again: np.ndarray, point: np.ndarray | None, text: np.ndarray, true: np.ndarray | None) -> dict:
    """Mean cosines of E(image) and of the condition itself; None for what there is none of."""
    cosines = again @ text.T
    to_other_texts = cosines[~np.eye(len(text), dtype=bool)]
    return {
        "cosine to its text": np.diag(cosines).mean(),
        "cosine to other texts": to_other_texts.mean() if len(to_other_texts) else None,
        "cosine to the true image": None if true is None else np.einsum("nd,nd->n", again, true).mean(),
        "condition to the true image": None
        if true is None or point is None
        else np.einsum("nd,nd->n", point, true).mean(),
    }


def _findings(table: list[dict]) -> list[str]:
    conditions = table[: len(_CONDITIONS)]
    top = f"{max(row['cosine to its text'] for row in conditions):.2f}"
    best = " and ".join(row["condition"] for row in conditions if f"{row['cosine to its text']:.2f}" == top)
    cosines = ", ".join(f"{row['condition']} {row['cosine to its text']:.2f}" for row in table)
    sentences = [f"Mean cosine of the drawn image to its text: {cosines}. Best of the three conditions: {best}."]
    if table[0]["cosine to the true image"] is not None:
        cosines = ", ".join(f"{row['condition']} {row['cosine to the true image']:.2f}" for row in table)
        before = {row["condition"]: row["condition to the true image"] for row in table}
        sentences.append(
            f"Mean cosine of the drawn image to the true image: {cosines}. Without decoding, that of the prior's embedding is "
            f"{before['prior']:.2f}, and that of the text embedding {before['text embedding']:.2f}."
        )
    return sentences


_TEXTS = 4
_SCORES = {
    "cosine to its text": "cosine to\nits text",
    "cosine to other texts": "to other\ntexts",
    "cosine to the true image": "to the\ntrue z",
}


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """The first texts over their columns, the conditions left of their rows, the mean cosines right of them."""
    from clipspace.plot import cells_for, grid, number_columns, page, paper, trim

    images, labels = result.arrays["images"][:, :_TEXTS], result.labels
    scores = {name: head for name, head in _SCORES.items() if any(value is not None for value in result.column(name))}
    rows = {row["condition"]: [row[name] for name in scores] for row in result.table}
    values = [rows.get(condition, [None] * len(scores)) for condition in labels["rows"]]
    with paper(venue):
        figure, cells = page(venue), cells_for(list(scores.values()), images.shape[1] + 1, venue)
        left, right = figure.subplots(1, 2, width_ratios=[images.shape[1], cells])
        grid(images, row_labels=labels["rows"], column_labels=labels["columns"][:_TEXTS], wrap=9, ax=left)
        number_columns(values, list(scores.values()), cells=cells, ax=right)
        return trim(figure)


def caption(result: Result) -> str:
    """What the figure of `draw` shows."""
    n = len(result.labels["columns"])
    scenes = """The last rows are decodes of the embedding of the true image, the ceiling, and the scene that each caption
        describes, for which there are no numbers; the last column is the mean cosine to the embedding of that scene."""
    return f"""One decoder under several conditions, each column from one initial noise: no condition, the embedding of the text
        in the place of an image's, and an image embedding that the prior draws for the text.
        {scenes if "scene" in result.labels["rows"] else ""} {min(n, _TEXTS)} of {n} texts are shown. Numbers are mean cosines
        of the encoded images over all {n}: to their own text{" and, as baseline, to the other texts" * (n > 1)}."""
