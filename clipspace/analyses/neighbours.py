"""Is an edited embedding still close to the embeddings of real images?

This follows section 3.3 of DALL-E 2 (Ramesh et al. 2022, arXiv 2204.06125): each image's z is moved as in `text_diff`. The
figure shows decodes of z and of the edited z, from one x_T, and the nearest neighbours of the edited z in a set of scenes or
of your own images.

Neighbours are real images: they show what the edited z means to CLIP, whatever the decoder can draw. If they show the edit
and the decode does not, the decoder is the cause. If neither does, z has not moved far enough. The cosine to the nearest
neighbour, compared with that of the original z, says how far the edit left the set.

Would contradict expectation: decodes that show an edit which no neighbour shows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from clipspace import progress
from clipspace.analyses import Analysis, Cost
from clipspace.analyses.baselines import far
from clipspace.analyses.edits import Edit, after_probability, bundled_edits, edits
from clipspace.analyses.examples import pictures
from clipspace.errors import InputError, check_count
from clipspace.manipulate import text_diff
from clipspace.points.embeddings import Embeddings
from clipspace.probes.mini_world import sentence, truth
from clipspace.results.pictures import Pictures, stacked
from clipspace.results.provenance import drawn_with, provenance
from clipspace.results.result import Result
from clipspace.scenes import render, sample_scenes
from clipspace.search import Index, build_index
from clipspace.search.index import Hits
from clipspace.sources.images import read_image, square

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from clipspace.space import Space

ANALYSIS = Analysis(
    order=120,
    title="Neighbours",
    takes=("rows", "among"),
    scenes="{pictures} rendered scenes, with neighbours among {n:,} others",
    read="edits are between the colours and backgrounds of rendered scenes, as zero-shot reads them",
    options={
        "before": "Text that describes every image; by default what zero-shot reads off each.",
        "after": "Text that describes the results; by default another colour or background.",
        "theta": "How far to go towards the new text, as a fraction of the angle.",
        "n": "Rendered scenes to search for neighbours, when no images and no store are given.",
        "k": "Neighbours to show of each image.",
    },
    quick={"n": 50, "k": 2, "num_inference_steps": 3},
    cost=Cost(steps=240, images=1060, seconds=5.0),
)

_OF = ("z", "edited z")


def run(
    space: Space,
    images: Sequence | None = None,
    *,
    points: Embeddings | None = None,
    look_up: Callable[[Sequence[int]], Sequence] | None = None,
    own: Sequence[int] = (),
    before: str = "",
    after: str = "",
    theta: float = 0.35,
    n: int = 1000,
    k: int = 5,
    seed: int = 0,
    num_inference_steps: int = 20,
) -> Result:
    """Decode and ``k`` neighbours of each image's z, and of z moved from ``before`` to ``after`` (see `edits`).

    The neighbours are ``points``, whose images ``look_up`` gives by row; ``own`` says which rows the images themselves
    are, where they are of the set: they are no neighbours of their own. Without points, ``n`` sampled scenes.
    """
    check_count("k", k)
    sources, names = pictures(space, images, "neighbours")
    z = space.encode_images(sources)
    chosen_edits = edits(space, z, before, after) if images is not None or before or after else bundled_edits()
    _, beyond = far("neighbours", space, sources, z, seed=seed)
    if points is not None:
        index, read = _among(points, look_up, len(own), seed)
    else:
        index, read = _scenes(space, n, seed)
    move_options = {"theta": theta, "frames": 2, "seed": seed, "num_inference_steps": num_inference_steps}
    moves = [
        text_diff(space, z[i], *edit, **move_options)
        for i, edit in enumerate(progress.track(chosen_edits, "editing", "images"))
    ]
    nearest = [_nearest(index, moved.embeddings, k, own[i] if own else None) for i, moved in enumerate(moves)]
    images_by_row = read(
        {
            row: name
            for row_hits in nearest
            for hits in row_hits
            for row, name in zip(hits.rows, hits.names, strict=True)
        }
    )
    images_near = [[[images_by_row[row] for row in hits.rows] for hits in row_hits] for row_hits in nearest]
    table = [
        {"image": names[i], "edit": edit.label, "of": _OF[j], **row}
        for i, edit in enumerate(chosen_edits)
        for j in range(len(_OF))
        for row in _rows(space, edit, moves[i], j, nearest[i][j], images_near[i][j])
    ]
    options = {"before": before, "after": after, "theta": theta, "n": n if points is None else len(points), "k": k}
    side = sources[0].width
    near = [[np.asarray(square(image, side)) for image in of_edited] for _, of_edited in images_near]
    return Result(
        "neighbours",
        table,
        [*beyond, *_findings(table)],
        {"sources": np.stack([np.asarray(image) for image in sources]),
         "decodes": stacked([moved.images for moved in moves]), "neighbours": np.stack(near)},
        {"edits": [edit.label for edit in chosen_edits]},
        provenance("neighbours", space, pictures=names, **options, seed=seed, **drawn_with(space, num_inference_steps)),
    )  # fmt: skip


def _rows(space: Space, edit: Edit, moved: Pictures, j: int, hits: Hits, near: Sequence) -> list[dict]:
    """Of image j that was moved: its decode, then its neighbours, each with its cosine to z and what CLIP reads off it."""
    embeddings = space.encode_images([moved.images[j], *near])
    kinds = ["decode", *(f"neighbour {rank + 1}" for rank in range(len(near)))]
    cosines = [embeddings.unit[0] @ moved.embeddings.unit[j], *hits.cosines.tolist()]
    columns = zip(kinds, cosines, after_probability(space, embeddings, edit), ["", *hits.names], strict=True)
    return [dict(zip(("picture", "cosine", "P(after)", "name"), row, strict=True)) for row in columns]


def _among(points: Embeddings, look_up: Callable, n_shown: int, seed: int) -> tuple[Index, Callable]:
    """An index of points, and what gives the images of some of its rows, by row."""
    if len(points) < 2 and n_shown:
        raise InputError("neighbours: expected images beside the one that is shown, got none")
    return build_index(points, seed=seed), lambda names: dict(
        zip(names, map(read_image, look_up(list(names))), strict=True)
    )


def _nearest(index: Index, points: Embeddings, k: int, own: int | None) -> list[Hits]:
    """The ``k`` nearest of each point, as many as there are; a row that is the image itself is none of them."""
    hits_of_points = index.search(points, min(k + (own is not None), len(index)))
    positions = [[i for i, row in enumerate(hits.rows) if row != own and row >= 0][:k] for hits in hits_of_points]
    return [
        Hits(hits.rows[hit_positions], hits.cosines[hit_positions], [hits.names[i] for i in hit_positions])
        for hits, hit_positions in zip(hits_of_points, positions, strict=True)
    ]


def _scenes(space: Space, n: int, seed: int) -> tuple[Index, Callable]:
    """An index of ``n`` scenes of one thing, named by what is true of them, and what draws some of its rows, by row."""
    check_count("n", n)
    scenes = sample_scenes(n, seed=seed + 4, layout="one")
    points = space.encode_images([render(scene) for scene in scenes])
    index = build_index(points, names=[sentence(truth(scene)) for scene in scenes], seed=seed)
    return index, lambda names: {row: render(scenes[row]) for row in names}


def _findings(table: list[dict]) -> list[str]:
    def of(point: str, kind: str, column: str) -> list:
        return [row[column] for row in table if row["of"] == point and row["picture"] == kind]

    def of_neighbours(point: str) -> np.ndarray:
        return np.array([row["P(after)"] for row in table if row["of"] == point and row["picture"] != "decode"])

    nearest = {point: np.mean(of(point, "neighbour 1", "cosine")) for point in _OF}
    sentences = [
        f"Mean cosine to the nearest neighbour: {nearest['edited z']:.2f} for the edited z and {nearest['z']:.2f} for z itself. Mean "
        f"cosine of E(decode) to the edited z: {np.mean(of('edited z', 'decode', 'cosine')):.2f}."
    ]
    if None not in of("edited z", "decode", "P(after)"):
        near, before = np.mean(of_neighbours("edited z") > 0.5), np.mean(of_neighbours("z") > 0.5)
        decodes_read = np.array(of("edited z", "decode", "P(after)")) > 0.5
        sentences.append(
            f"To CLIP, {near:.0%} of the neighbours of edited embeddings are nearer to the new text than to the old (of z: {before:.0%}; "
            f"chance 50%), and {decodes_read.sum()} of {len(decodes_read)} decodes. This is circular: CLIP chose the neighbours and "
            "steered the decoder."
        )
    return sentences


def draw(result: Result, *, venue: str = "neurips") -> Figure:
    """One row per image: the image, the decodes before and after, and the neighbours, each over its cosine."""
    from clipspace.plot import grid, number, page, pairs, paper, trim

    arrays = result.arrays
    sources, decodes, near = arrays["sources"], arrays["decodes"], arrays["neighbours"]
    n, k = near.shape[:2]
    cosines = {
        point: [number(row["cosine"]) for row in result.table if row["of"] == point] for point in ("z", "edited z")
    }
    rows = [cosines["edited z"][i * (k + 1) : (i + 1) * (k + 1)] for i in range(n)]
    decode_captions = [[cosines["z"][i * (k + 1)], rows[i][0]] for i in range(n)]
    with paper(venue):
        figure = page(venue)
        axes = figure.subplots(1, 3, width_ratios=[1, 2.5, k])
        labels = result.labels["edits"]
        grid(sources[:, None], row_labels=labels, column_labels=["source"], captions=[[""]] * n, wrap=9, ax=axes[0])
        pairs(decodes[:, 0], decodes[:, 1], labels=("z", "edited z"), captions=decode_captions, ax=axes[1])
        axes[1].set(title="decodes", xlabel="cosine of the decode\nto the z it is of")
        ranks = [str(rank + 1) for rank in range(k)]
        grid(near, column_labels=ranks, captions=[row[1:] for row in rows], ax=axes[2])
        axes[2].set(title="nearest to\nthe edited z", xlabel="cosine of the neighbour\nto the edited z")
        return trim(figure)


def caption(result: Result) -> str:
    """What the figure of `draw` shows."""
    options, nearest = result.provenance.options, result.where(picture="neighbour 1")
    unmoved, moved = (np.mean(nearest.where(of=point).column("cosine")) for point in _OF)
    towards = "text" if options["after"] and not options["before"] else "text difference"
    return f"""Edited embeddings and the images nearest to them. Each z is moved by {options["theta"]:g} of the angle towards
        the {towards} named at the left. The decodes of z and of the edited z start from one initial noise; the neighbours
        are the nearest of {options["n"]:,} images to the edited z. Below each image is a cosine: of the encoded decode to the z
        that it is of, and of a neighbour to the edited z. The nearest neighbour has a mean cosine of {moved:.2f} to the edited
        z; that of the unmoved z, the baseline, has {unmoved:.2f}."""
