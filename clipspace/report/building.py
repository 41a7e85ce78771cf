"""The report: analyses run one after the other, drawn, and put on one page that opens offline."""

from __future__ import annotations

import hashlib
import json
import sys
import time
import warnings
from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from typing import Any

from clipspace.analyses import ANALYSES, analysis, question
from clipspace.errors import CapabilityError, ClipspaceError, InputError, shortened
from clipspace.figures import draw
from clipspace.images import content, expand_folders, read_image
from clipspace.plot import save_figure
from clipspace.report.atlas import atlas, open_stored
from clipspace.report.page import Section, write_page
from clipspace.results import Result, load_result, made_by
from clipspace.saving import atomically
from clipspace.sources import Source
from clipspace.space import Space, load_space

MANIPULATIONS = (
    "inversion",
    "variations",
    "interpolation",
    "text_diff",
    "pca_reconstruction",
    "typographic_attack",
    "prior_ablation",
)
"""What `clipspace demo` shows: sections 3 and 4 of DALL-E 2."""
ROW_EACH = (
    "variations", "interpolation", "text_diff", "pca_reconstruction", "typographic_attack", "guidance", "neighbours",
)  # fmt: skip
"""Analyses that draw a row of decodes for each picture, and so are given few."""
MOST_ROWS = 6
TITLES = {"pca_reconstruction": "PCA reconstruction"}


def write_report(
    folder: str | Path,
    images: Sequence | None = None,
    *,
    space: str = "mini",
    decoder: str | None = None,
    only: Sequence[str] | None = None,
    explore: bool = True,
    store: str | Path | None = None,
    source: str | Path | Source | None = None,
    seed: int = 0,
    device: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Run analyses of ``space``, and write their results, figures and one page into ``folder``; returns the page.

    ``images``, files or folders of them, are asked instead of the bundled scenes where an analysis takes images: all
    of them where a set is asked, the first six where each is a row of a figure. ``only`` names some of
    `clipspace.analyses.ANALYSES`, all when None; an analysis that the space has no model for is listed with the
    reason. ``explore`` puts a map on the page, of ``store`` where one is given, with the images of ``source``, which it
    was encoded from. A run that was interrupted goes on: what is there and was made alike is not computed again.
    """
    folder, names = Path(folder), _choose(only)
    if source is not None and store is None:
        raise InputError("report: expected the store that was encoded from the source, got none; pass --store")
    page = _page_in(folder, overwrite)
    pictures, digest = (None, None) if images is None else _readable(images)
    loaded = load_space(space, decoder=decoder, device=device)
    opened = None if store is None else open_stored(loaded, store, source)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"report: could not make the folder {str(folder)!r}: {error}") from error
    asked = f"--space {space}{f' --decoder {decoder}' if decoder else ''} --seed {seed}"
    made = {"images": digest, "asked": asked, **made_by(loaded)}
    if pictures is not None and len(pictures) > MOST_ROWS and set(names) & set(ROW_EACH):
        print(
            f"report: figures with a row for each picture show the first {MOST_ROWS} of {len(pictures)}",
            file=sys.stderr,
        )
    begun, sections = time.monotonic(), []
    for name in names:
        sections.append(_section(name, loaded, pictures, folder, made, seed=seed, asked=asked))
        print(f"{time.monotonic() - begun:5.0f} s  {sections[-1].title}", file=sys.stderr)
    explorer = atlas(loaded, pictures, opened, seed=seed) if explore else None
    intro = f"Space {loaded.stamp}, seed {seed}. Every figure is beside this page as PDF, its numbers as csv and json."
    return write_page(page, f"clipspace: {loaded.name}", sections, intro=intro, explorer=explorer, overwrite=True)


def _choose(only: Sequence[str] | None) -> list[str]:
    """The analyses asked for, in the order of a report."""
    unknown = sorted(set(only or ()) - set(ANALYSES))
    if unknown:
        raise InputError(f"report: expected some of {list(ANALYSES)}, got {shortened(unknown)}")
    return [name for name in ANALYSES if only is None or name in only]


def _readable(images: Sequence) -> tuple[list, str]:
    """The images given and those below the folders given, and a digest of their pixels; none is kept in memory.

    Of a folder, what cannot be read is said and left out.
    """
    found, digest = [], hashlib.sha256()
    for source in images:
        folder = isinstance(source, (str, Path)) and Path(source).is_dir()
        for one in expand_folders([source]) if folder else [source]:
            try:
                picture = read_image(one)
            except ClipspaceError as error:
                if not folder:
                    raise
                warnings.warn(f"report: left out {str(one)!r}: {error}", stacklevel=3)
                continue
            digest.update(content(picture))
            found.append(one)
    if not found:
        raise InputError(f"report: expected an image or more, got none in {shortened(map(str, images))}")
    return found, digest.hexdigest()


def _page_in(folder: Path, overwrite: bool) -> Path:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"report: expected a folder, got the file {str(folder)!r}; choose another name")
    page = folder / "index.html"
    if page.exists() and not overwrite:
        raise InputError(f"report: {str(folder)!r} holds a page already; choose another folder with -o, or --overwrite")
    return page


def _section(
    name: str,
    space: Space,
    images: list | None,
    folder: Path,
    made: dict[str, Any],
    *,
    seed: int,
    asked: str,
) -> Section:
    """One analysis, computed or found, drawn and described."""
    title = TITLES.get(name, name.replace("_", " ").capitalize())
    asks, paragraphs = question(name)
    command = f"clipspace report{' IMAGES' if images else ''} --only {name} {asked}"
    try:
        result = _result(name, space, images, folder, made, seed)
    except CapabilityError as error:
        return Section(title, asks, seen=f"Not run: {error}", command=command)
    _, png = save_figure(draw(result), folder / name)
    table = [list(result.table[0]), *(list(row.values()) for row in result.table)] if result.table else ()
    files = [f"{name}{suffix}" for suffix in (".pdf", ".csv", ".json", ".npz")]
    seen = " ".join(result.findings)
    return Section(
        title, " ".join([asks, *paragraphs]), seen, [png.name], table, files, result.provenance, command=command
    )


def _result(name: str, space: Space, images: list | None, folder: Path, made: dict[str, Any], seed: int) -> Result:
    """The result in ``folder`` if it was made alike, else a fresh one, saved there."""
    path, record = folder / f"{name}.json", folder / f".{name}.made"
    if path.is_file() and record.is_file() and json.loads(record.read_text()) == made:
        return load_result(path)
    run = analysis(name).run
    options: dict[str, Any] = {"seed": seed}
    if images is not None and "images" in signature(run).parameters:
        options["images"] = images[:MOST_ROWS] if name in ROW_EACH else images
    result = run(space, **options)
    result.save(folder)
    with atomically(record, overwrite=True) as part:
        part.write_text(json.dumps(made))
    return result
