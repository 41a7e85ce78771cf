"""How far apart are images and their captions?

Liang et al. 2022 (arXiv 2203.02053), figures 1 to 3: a gap between the two modalities, and what closing or widening it does
to a task. Here the task is retrieval, shown with its chance level.

Look for two clouds that do not overlap along the gap, and for cosines of pairs that are low and still above those of
unrelated images and texts: retrieval needs only that difference. So compare the cosine of an image and a text with these, not
with 1.

Would contradict expectation: no gap, or a recall that rises when the gap is closed. Then the gap only does harm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from clipspace.analyses import Analysis, Cost
from clipspace.analyses.examples import captions_of, unseen_scenes
from clipspace.errors import InputError
from clipspace.measure.gap import gap_vector
from clipspace.points.embeddings import Embeddings
from clipspace.points.pca import PCA
from clipspace.points.sphere import unit
from clipspace.probes.modalities import modality_gap as probe
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.results.table import Row
from clipspace.scenes import render

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from clipspace.space import Space

ANALYSIS = Analysis(
    order=110,
    title="Modality gap",
    takes=("pairs",),
    scenes="{pairs:,} rendered scenes and captions of them",
    options={
        "n": "Scenes to render and to caption, when no store is given.",
    },
    quick={"n": 40},
    cost=Cost(steps=0, images=1000, seconds=2.7),
)

_BINS = 60
_SHOWN = 1000


def run(
    space: Space,
    pairs: Sequence[tuple[Any, str]] | None = None,
    *,
    points: tuple[Embeddings, Embeddings] | None = None,
    n: int = 1000,
    seed: int = 0,
) -> Result:
    """Gap, cosines and retrieval of ``pairs`` (image, caption) of the user, or of ``n`` scenes and captions of them.

    ``points`` are those of images and of the caption of each, where they are known. Raises `InputError` for fewer than
    four pairs.
    """
    if points is None:
        points = _encoded(space, pairs, n, seed)
    images, texts = points
    if len(images) < 4:
        raise InputError(f"modality_gap: expected at least 4 pairs of an image and its caption, got {len(images)}")
    scores = probe(images, texts, seed=seed)
    edges, paired, unpaired = _cosines(images.unit, texts.unit)
    return Result(
        "modality_gap",
        scores.table,
        _findings(scores),
        {
            **{name: scores.arrays[name] for name in ("image mean", "text mean", "moved", "moved gap", "moved recall")},
            "edges": edges,
            "cosines": np.stack([paired, unpaired]),
            "plane": _plane(images, texts),
        },
        {"cosines": ["paired", "unpaired"], "modalities": ["images", "captions"]},
        provenance("modality_gap", space, pairs=len(images), seed=seed),
    )


def _encoded(space: Space, pairs: Sequence[tuple[Any, str]] | None, n: int, seed: int) -> tuple[Embeddings, Embeddings]:
    if pairs is None:
        scenes = unseen_scenes(n, seed=seed)
        pairs = list(zip([render(scene) for scene in scenes], captions_of(scenes, seed=seed), strict=True))
    if len(pairs) < 4:
        raise InputError(f"modality_gap: expected at least 4 pairs of an image and its caption, got {len(pairs)}")
    return space.encode_images([image for image, _ in pairs]), space.encode_texts([text for _, text in pairs])


def _cosines(x: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bin edges, and counts of the cosines of pairs and of all others."""
    cosines = x @ t.T
    edges = np.linspace(cosines.min() - 1e-9, cosines.max() + 1e-9, _BINS + 1)
    paired = np.histogram(np.diag(cosines), edges)[0]
    return edges, paired, np.histogram(cosines, edges)[0] - paired


def _plane(images: Embeddings, texts: Embeddings) -> np.ndarray:
    """Images and texts ``(2, m, 2)``: along the gap, and along the direction of most variance across it."""
    x, t = images.unit[:_SHOWN], texts.unit[:_SHOWN]
    gap = unit(gap_vector(x, t))
    points = np.concatenate([x, t])
    along = points @ gap
    beside = points - along[:, None] * gap
    across = PCA(1, normalize=False).fit(beside).transform(beside)[:, 0]
    return np.stack([along, across], axis=1).reshape(2, len(x), 2)


def _findings(scores: Result) -> list[str]:
    gap = scores.row(score="gap", variant="unbiased")
    paired = scores.row(score="cosine", variant="paired")
    unpaired = scores.row(score="cosine", variant="unpaired")
    separable = scores.row(score="separability along the gap").value
    recall = scores.row(score="recall", variant="raw", direction="text to image", k=1)
    moved, recalls = scores.arrays["moved"], scores.arrays["moved recall"].mean(axis=0)
    best, still = int(recalls.argmax()), int(np.abs(moved).argmin())
    sentences = [
        f"The means of images and captions are {gap.value:.2f} apart (95 % {gap.low:.2f} to {gap.high:.2f}); "
        f"{separable:.0%} of embeddings are on the side of their own modality (chance 50%).",
        f"A caption has a mean cosine of {paired.value:.2f} to its own image and of {unpaired.value:.2f} to others; its own image "
        f"is the nearest in {recall.value:.0%} of cases (chance {recall.chance:.1%}).",
    ]
    if recalls[best] <= recalls[still]:
        return [*sentences, "No shift along the gap improves retrieval."]
    way = "towards each other" if moved[best] > 0 else "apart"
    return [
        *sentences,
        f"With the two sets moved {abs(moved[best]):.2f} {way} along the gap, mean recall@1 goes from {recalls[still]:.2f} to "
        f"{recalls[best]:.2f}.",
    ]


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """Left the plane of the gap, with both means; middle the cosines; right recall@1 as the gap is closed or widened."""
    from matplotlib.figure import Figure

    from clipspace.plot import COLORS, histogram, paper, width

    with paper(venue):
        across = width(venue)
        figure = Figure(figsize=(across, 0.45 * across))
        plane, cosines, moved = figure.subplots(1, 3)
        _draw_plane(result, plane)
        counts = dict(zip(result.labels["cosines"], result.arrays["cosines"], strict=True))
        histogram(result.arrays["edges"], counts, colors=COLORS[2:], ax=cosines)
        cosines.set(xlabel="cosine", ylabel="share of pairs, by bin")
        _draw_moved(result, moved)
        for ax in (plane, cosines, moved):
            ax.legend(loc="lower left", bbox_to_anchor=(0, 1), handlelength=1.8, borderaxespad=0.2)
    return figure


def caption(result: Result) -> str:
    """What the figure of `draw` shows."""
    gap, recall, n = (
        result.table.row(score="gap", variant="unbiased"),
        _recall(result),
        result.provenance.options["pairs"],
    )
    return f"""{n:,} images and their captions as unit vectors. Left, {result.arrays["plane"].shape[1]:,} of each along the gap,
        the direction from the mean of the captions to that of the images, and across it, along the direction of most variance
        at a right angle. Large marks are the means; the distance between those of all pairs, less what the size of the
        sample adds to it, is {gap.value:.2f} (95 % interval {gap.low:.2f} to {gap.high:.2f}). All lengths are in units of the vectors'
        length. Middle, cosines of images to their own caption (paired) and to all others
        (unpaired). Right, how often the nearest is the true partner (recall@1) when the two sets are moved towards each other
        along the gap, by half the distance each, and made unit vectors again; at 0 they are as they were. Chance is
        {recall.chance:.3f}."""


def _recall(result: Result) -> Row:
    return result.table.row(score="recall", variant="raw", direction="text to image", k=1)


_MEANS = {"images": "X", "captions": "D"}
"""Marker of the mean of each modality."""


def _draw_plane(result: Result, ax: Axes) -> None:
    """Every point along the gap and across it; crosses are the means."""
    from clipspace.plot import COLORS

    for name, points, color in zip(result.labels["modalities"], result.arrays["plane"], COLORS, strict=False):
        ax.scatter(*points.T, s=2, color=color, linewidths=0, alpha=0.5, rasterized=True)
        mark = {"color": color, "markersize": 8, "markeredgecolor": "black", "linestyle": "none"}
        ax.plot(*points.mean(axis=0), _MEANS[name], label=f"{name}, mean", **mark)
    ax.set(xlabel="along the gap", ylabel="across the gap")


def _draw_moved(result: Result, ax: Axes) -> None:
    """Recall both ways, over how far the two were moved towards each other along the gap."""
    from clipspace.plot import COLORS, curves

    moved, gap = result.arrays["moved"], result.arrays["image mean"] - result.arrays["text mean"]
    lines = dict(zip(("caption to image", "image to caption"), result.arrays["moved recall"], strict=True))
    curves(moved, lines, colors=COLORS[1::-1], marker="o", ends=False, ax=ax)
    ax.axvline(np.linalg.norm(gap), color="0.4", linestyle=":")
    ax.axhline(_recall(result).chance, color="0.55", linewidth=1.6, zorder=0)
    ax.text(np.linalg.norm(gap), 0.1, " gap\n closed", va="bottom", color="0.35", size="small")
    ax.text(moved[0], 0.02, "chance", va="bottom", color="0.35", size="small")
    ax.set(xlabel="shift along the gap", ylabel="recall@1", ylim=(-0.02, None))
