"""What of a set that a user gave an analysis is computed on, said in a sentence; and the analysis, run on it.

Each analysis says in its row (`clipspace.analyses.Analysis`) what it takes of such a set:

- ``rows``: a few images, each a row of the figure
- ``images``: images, more of them, and their points where its ``run`` takes them
- ``points``: points, and the columns that are known of them; images of some of them where there are any
- ``others``: the points that are not of the few images
- ``among``: points whose images are looked up
- ``pairs``: points of images and of their captions
- ``captions``: a few captions
- ``scenes``: nothing that a user could give: it needs the truth of rendered scenes
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
"""Points besides the images shown, below which components are fitted on rendered scenes instead."""
_REASONS = {
    "rows": "it needs images, and those of the store cannot be read; say what was encoded with --source",
    "images": "it needs images, and those of the store cannot be read; say what was encoded with --source",
    "among": "it looks up images of the set, and those of the store cannot be read; say what was encoded with --source",
    "pairs": "it needs captions of the images; give a store of images that were encoded with their captions",
    "captions": "it needs captions; give a store of images that were encoded with their captions",
    "scenes": "it needs the truth of rendered scenes, which no image has; see it in a report without images and store",
}


@dataclass(frozen=True, eq=False)
class Brought:
    """The set whose images are looked at, and that whose points are measured: often one; None where nothing is given.

    At most ``rows`` images are rows of a figure; None for six, or as many as the analysis says.
    """

    images: Given | None = None
    points: Given | None = None
    rows: int | None = None

    @property
    def everything(self) -> list[Given]:
        return [given for given in dict.fromkeys((self.points, self.images)) if given is not None]

    def check(self, space: Space) -> None:
        """Raise `SpaceMismatchError` for a store of another space, `InputError` for images that are not those of a store."""
        for given in self.everything:
            if given.store is not None:
                check_same_space(space.stamp, given.store.stamp, "report")
            given.check(space)


def bring(
    images: Sequence | None,
    store: str | Path | Store | None,
    source: str | Path | Source | None,
    spool: Path,
    *,
    rows: int | None = None,
    seed: int,
) -> Brought:
    """What analyses look at, and what they measure: of images and a store both, the images and the store's points.

    Everything is listed and checked, as far as it can be without a model; images of ``source`` go into ``spool``.
    """
    if source is not None and store is None:
        raise InputError("report: expected the store that was encoded from the source, got none; pass --store")
    stored = None if store is None else given_store(store, source, spool, seed=seed)
    shown = None if images is None else given_images(images)
    if shown is None and stored is not None and stored.read is not None:
        shown = stored
    return Brought(shown, stored or shown, rows)


def missing(name: str, brought: Brought) -> str | None:
    """Why an analysis cannot be computed on what was brought; None where it can, and where nothing was brought."""
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


def ask(name: str, space: Space, brought: Brought, **options: Any) -> Result:
    """The answer of an analysis, computed on what was brought; ``data`` and ``inputs`` of its provenance say on what."""
    chosen = {key: value for key, value in options.items() if value is not None}
    result = analysis(name).run(space, **{**_arguments(name, space, brought), **chosen})
    data = computed_on(name, brought, result.provenance.options)
    return replace(result, provenance=replace(result.provenance, data=data, inputs=inputs(name, brought)))


def computed_on(name: str, brought: Brought, options: Mapping[str, Any]) -> str:
    """The sentence that says what an analysis with these ``options`` was computed on."""
    counts = {key: len(value) if isinstance(value, list) else value for key, value in options.items()}
    if not brought.everything and counts.get("texts"):
        return f"Computed on {counts['texts']} texts given."
    if not brought.everything:
        return f"Computed on {about(name).scenes.format_map(counts)}; no images and no store were given."
    parts = [_part(kind, name, brought, counts) for kind in about(name).takes]
    if about(name).read and not (counts.get("after") or counts.get("thing")):
        parts.append(about(name).read)
    return f"Computed on {'; '.join(parts)}."


def inputs(name: str, brought: Brought) -> list[dict[str, Any]]:
    """What an analysis was computed on, as {kind, name, digest}: the sets, and each image of a row."""
    sets = [
        {"kind": one.kind, "name": one.name, "digest": one.digest, "rows": len(one), "of": one.total}
        for one in brought.everything
    ]
    shown = _shown(name, brought) if "rows" in about(name).takes and brought.images is not None else {}
    return sets + [
        {"kind": "image", "name": called, "digest": hashlib.sha256(content(read_image(image))).hexdigest()[:16]}
        for called, image in shown.items()
    ]


def _arguments(name: str, space: Space, brought: Brought) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if brought.everything:
        for kind in about(name).takes:
            found |= {"images": _shown(name, brought)} if kind == "rows" else _TAKE[kind](space, brought)
    known = signature(analysis(name).run).parameters
    return {key: value for key, value in found.items() if key in known}


def _rows(name: str, brought: Brought) -> list[int]:
    """Positions of the images that are rows of a figure."""
    return evenly(len(brought.images), brought.rows or about(name).rows or MOST_ROWS)


def _shown(name: str, brought: Brought) -> dict[str, Any]:
    return brought.images.read(_rows(name, brought))


def _images(space: Space, brought: Brought) -> dict[str, Any]:
    chosen = evenly(len(brought.images), MOST_IMAGES)
    return {"images": brought.images.read(chosen), "points": brought.images.points(space)[chosen]}


def _points(space: Space, brought: Brought) -> dict[str, Any]:
    given = brought.points
    found = {"points": given.points(space), "columns": given.columns}
    if given.read is not None:
        rows = evenly(len(given), THUMBNAILS)
        found |= {"images": given.read(rows), "rows": rows}
    return found


def _own(brought: Brought) -> list[int]:
    """Positions, among the points, of the images that are shown."""
    return evenly(len(brought.points), brought.rows or MOST_ROWS) if brought.images is brought.points else []


def _others(space: Space, brought: Brought) -> dict[str, Any]:
    own = set(_own(brought))
    rest = [i for i in range(len(brought.points)) if i not in own]
    return {"points": brought.points.points(space)[rest]} if _enough(len(rest), brought) else {}


def _enough(others: int, brought: Brought) -> bool:
    """Whether components are fitted on this many points: a store is given for that."""
    return others >= FEWEST_OTHERS or brought.points.store is not None


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
    """What a sentence says of one kind."""
    given = brought.images if kind in ("rows", "images") else brought.points
    if kind in ("rows", "images"):
        n = len(_rows(name, brought)) if kind == "rows" else min(len(given), MOST_IMAGES)
        return _of(given, n, "images", "evenly spaced")
    if kind == "others":
        rest = len(given) - len(_own(brought))
        if not _enough(rest, brought):
            return (
                f"components fitted on {counts['n']:,} rendered scenes, since only {rest} other images were given, and read "
                f"off {counts['readings']:,} more"
            )
        shown = "" if rest == len(given) else f", less the {len(given) - rest} shown"
        return f"components fitted on {_whole(given)}{shown}"
    if kind == "pairs":
        return f"{_of(given, len(given.captioned), 'rows', 'those with a caption')}, and their captions"
    if kind == "captions":
        return f"{counts['texts']} captions of {given.name}, evenly spaced"
    points = _whole(given)
    return f"neighbours among {points}" if kind == "among" else points


def _whole(given: Given) -> str:
    return _of(given, len(given), "rows", "drawn at random" if given.store is not None else "evenly spaced")


def _of(given: Given, n: int, noun: str, how: str) -> str:
    """``6 of 250 images of photos, evenly spaced``; ``250 rows of store mine (mini)``."""
    if given.kind == "images":
        noun = "images"
    count = f"{n:,} {noun}" if n == given.total else f"{n:,} of {given.total:,} {noun}"
    count = count.removesuffix("s") if given.total == 1 else count
    of = given.name if given.kind == "images" else f"of {given.name}"
    return f"{count} {of}" + ("" if n == given.total else f", {how}")
