"""Run an analysis on a user's images or store, and describe in a sentence what it was computed on.

Each analysis lists in its row (`clipspace.analyses.Analysis`) what it takes of them:

- ``rows``: a few images, each a row of the figure
- ``images``: more images, and their embeddings and columns where ``run`` takes them
- ``points``: embeddings with their columns, and images of some of them where images can be read
- ``others``: embeddings of all but the few images
- ``among``: embeddings whose images are looked up
- ``pairs``: embeddings of images and of their captions
- ``captions``: a few captions
- ``scenes``: nothing, since the analysis needs the true factors of rendered scenes
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipspace.analyses import about, analysis
from clipspace.analyses.given import Given, evenly, given_images, given_store
from clipspace.errors import InputError
from clipspace.points.embeddings import check_same_space
from clipspace.points.store import Store
from clipspace.results.result import Result
from clipspace.sources import Source
from clipspace.sources.images import content, read_image

if TYPE_CHECKING:
    from clipspace.space import Space

MOST_ROWS = 6
MOST_IMAGES = 1000
MOST_CAPTIONS = 12
THUMBNAILS = 400
FEWEST_OTHERS = 50
"""Smallest number of points, besides the images shown, to fit components on; with fewer, rendered scenes are used."""
_REASONS = {
    "rows": "it needs images, and the images of the store cannot be read; name them with --source",
    "images": "it needs images, and the images of the store cannot be read; name them with --source",
    "among": "it shows images of the set, and the images of the store cannot be read; name them with --source",
    "pairs": "it needs captions of the images; give a store of images that were encoded with their captions",
    "captions": "it needs captions; give a store of images that were encoded with their captions",
    "scenes": "it needs the known factors of rendered scenes; run a report without images and store to see it",
}


@dataclass(frozen=True, eq=False)
class Brought:
    """The set whose images an analysis shows, and the set whose embeddings it measures, often the same; None without any.

    At most ``rows`` images are rows of a figure; None for six, or as many as the analysis says.
    """

    images: Given | None = None
    points: Given | None = None
    rows: int | None = None

    @property
    def everything(self) -> list[Given]:
        return [one_set for one_set in dict.fromkeys((self.points, self.images)) if one_set is not None]

    def check(self, space: Space) -> None:
        """Raise `SpaceMismatchError` for a store of another space, `InputError` for images that are not those of a store."""
        for one_set in self.everything:
            if one_set.store is not None:
                check_same_space(space.stamp, one_set.store.stamp, "report")
            one_set.check(space)


def bring(
    images: Sequence | None,
    store: str | Path | Store | None,
    source: str | Path | Source | None,
    spool: Path,
    *,
    rows: int | None = None,
    seed: int,
) -> Brought:
    """The inputs of analyses. Where both are given, analyses show ``images`` and measure the embeddings of ``store``.

    All inputs are listed and checked, as far as possible without a model. Images of ``source`` are written to ``spool``.
    """
    if source is not None and store is None:
        raise InputError("report: expected the store that was encoded from the source, got none; pass --store")
    measured = None if store is None else given_store(store, source, spool, seed=seed)
    looked_at = None if images is None else given_images(images)
    if looked_at is None and measured is not None and measured.read is not None:
        looked_at = measured
    return Brought(looked_at, measured or looked_at, rows)


def missing(name: str, brought: Brought) -> str | None:
    """The reason why an analysis cannot be computed on these inputs; None where it can, and without inputs."""
    if not brought.everything:
        return None
    has = {
        "rows": brought.images is not None,
        "images": brought.images is not None,
        "among": brought.points.read is not None,
        "pairs": brought.points.store is not None and brought.points.store.modality != "text" and brought.points.captioned,
        "captions": brought.points.captioned,
        "scenes": False,
    }  # fmt: skip
    return next((_REASONS[kind] for kind in about(name).takes if not has.get(kind, True)), None)


def sampler_steps(name: str, num_inference_steps: int | None) -> dict[str, int]:
    """The option of an analysis that sets its sampler steps; empty for None, and for one that has no such option."""
    takes = "num_inference_steps" in signature(analysis(name).run).parameters
    return {"num_inference_steps": num_inference_steps} if takes and num_inference_steps is not None else {}


def ask(name: str, space: Space, brought: Brought, **options: Any) -> Result:
    """Run an analysis on these inputs; ``data`` and ``inputs`` of the result's provenance describe them."""
    set_options = {key: value for key, value in options.items() if value is not None}
    result = analysis(name).run(space, **{**_arguments(name, space, brought), **set_options})
    data = computed_on(name, brought, result.provenance.options)
    return replace(result, provenance=replace(result.provenance, data=data, inputs=inputs(name, brought)))


def computed_on(name: str, brought: Brought, options: Mapping[str, Any]) -> str:
    """The sentence that says what an analysis with these ``options`` was computed on."""
    counts = {key: len(value) if isinstance(value, list) else value for key, value in options.items()}
    if not brought.everything and counts.get("texts"):
        return f"Computed on the {counts['texts']} given texts."
    if not brought.everything:
        return f"Computed on {about(name).scenes.format_map(counts)}; no images and no store were given."
    phrases = [_part(kind, name, brought, counts) for kind in about(name).takes]
    if about(name).read and not (counts.get("after") or counts.get("thing")):
        phrases.append(about(name).read)
    return f"Computed on {'; '.join(phrases)}."


def inputs(name: str, brought: Brought) -> list[dict[str, Any]]:
    """The inputs of an analysis as {kind, name, digest}: the sets, and each image that is a row of its figure."""
    sets = [
        {
            "kind": one_set.kind,
            "name": one_set.name,
            "digest": one_set.digest,
            "rows": len(one_set),
            "of": one_set.total,
        }
        for one_set in brought.everything
    ]
    images_of_rows = _shown(name, brought) if "rows" in about(name).takes and brought.images is not None else {}
    return sets + [
        {"kind": "image", "name": called, "digest": hashlib.sha256(content(read_image(image))).hexdigest()[:16]}
        for called, image in images_of_rows.items()
    ]


def _arguments(name: str, space: Space, brought: Brought) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    if brought.everything:
        for kind in about(name).takes:
            arguments |= {"images": _shown(name, brought)} if kind == "rows" else _TAKE[kind](space, brought)
    parameters = signature(analysis(name).run).parameters
    return {key: value for key, value in arguments.items() if key in parameters}


def _rows(name: str, brought: Brought) -> list[int]:
    """Positions of the images that are rows of a figure."""
    return evenly(len(brought.images), brought.rows or about(name).rows or MOST_ROWS)


def _shown(name: str, brought: Brought) -> dict[str, Any]:
    return brought.images.read(_rows(name, brought))


def _images(space: Space, brought: Brought) -> dict[str, Any]:
    positions = evenly(len(brought.images), MOST_IMAGES)
    columns = {name: [values[i] for i in positions] for name, values in brought.images.columns.items()}
    points = brought.images.points(space)[positions]
    return {"images": brought.images.read(positions), "points": points, "columns": columns}


def _points(space: Space, brought: Brought) -> dict[str, Any]:
    point_set = brought.points
    arguments = {"points": point_set.points(space), "columns": point_set.columns}
    if point_set.read is not None:
        rows = evenly(len(point_set), THUMBNAILS)
        arguments |= {"images": point_set.read(rows), "rows": rows}
    return arguments


def _own(brought: Brought) -> list[int]:
    """Positions, among the points, of the images that are shown."""
    return evenly(len(brought.points), brought.rows or MOST_ROWS) if brought.images is brought.points else []


def _others(space: Space, brought: Brought) -> dict[str, Any]:
    shown_rows = set(_own(brought))
    other_rows = [i for i in range(len(brought.points)) if i not in shown_rows]
    return {"points": brought.points.points(space)[other_rows]} if _enough(len(other_rows), brought) else {}


def _enough(n_points: int, brought: Brought) -> bool:
    """Whether components can be fitted on this many points; those of a store always are."""
    return n_points >= FEWEST_OTHERS or brought.points.store is not None


def _among(space: Space, brought: Brought) -> dict[str, Any]:
    def look_up(positions: Sequence[int]) -> list:
        return list(brought.points.read(positions).values())

    return {"points": brought.points.points(space), "look_up": look_up, "own": _own(brought)}


def _captions(_: Space, brought: Brought) -> dict[str, Any]:
    texts = list(dict.fromkeys(brought.points.captions[i] for i in brought.points.captioned))
    return {"texts": [texts[i] for i in evenly(len(texts), MOST_CAPTIONS)]}


_TAKE = {
    "images": _images,
    "points": _points,
    "others": _others,
    "among": _among,
    "pairs": lambda space, brought: {"points": brought.points.pairs(space)},
    "captions": _captions,
}


def _part(kind: str, name: str, brought: Brought, counts: Mapping[str, Any]) -> str:
    """The part of the sentence about one kind of input."""
    one_set = brought.images if kind in ("rows", "images") else brought.points
    if kind in ("rows", "images"):
        n = len(_rows(name, brought)) if kind == "rows" else min(len(one_set), MOST_IMAGES)
        return _of(one_set, n, "images", "evenly spaced")
    if kind == "others":
        n_others = len(one_set) - len(_own(brought))
        if not _enough(n_others, brought):
            return (
                f"components fitted on {counts['n']:,} rendered scenes, since only {n_others} other images were given, and read "
                f"off {counts['readings']:,} more"
            )
        less = "" if n_others == len(one_set) else f", less the {len(one_set) - n_others} shown"
        return f"components fitted on {_whole(one_set)}{less}"
    if kind == "pairs":
        return f"{_of(one_set, len(one_set.captioned), 'rows', 'those with a caption')}, and their captions"
    if kind == "captions":
        return f"{counts['texts']} captions of {one_set.name}, evenly spaced"
    points = _whole(one_set)
    return f"neighbours among {points}" if kind == "among" else points


def _whole(one_set: Given) -> str:
    return _of(one_set, len(one_set), "rows", "drawn at random" if one_set.store is not None else "evenly spaced")


def _of(one_set: Given, n: int, noun: str, selection: str) -> str:
    """``6 of 250 images of photos, evenly spaced``; ``250 rows of store mine (mini)``."""
    if one_set.kind == "images":
        noun = "images"
    count = f"{n:,} {noun}" if n == one_set.total else f"{n:,} of {one_set.total:,} {noun}"
    count = count.removesuffix("s") if one_set.total == 1 else count
    source = one_set.name if one_set.kind == "images" else f"of {one_set.name}"
    return f"{count} {source}" + ("" if n == one_set.total else f", {selection}")
