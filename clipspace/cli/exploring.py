"""The command that writes a map as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clipspace.cli.options import Json, Overwrite, report
from clipspace.errors import InputError

app = typer.Typer()


@app.command()
def explore(
    placed: Annotated[Path, typer.Argument(metavar="MAP", help="Map that `clipspace map` wrote.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file to write.")] = Path("explorer.html"),
    captions: Annotated[
        str | None, typer.Option(help="Column of the map that the search box searches, besides the names.")
    ] = None,
    vectors: Annotated[
        Path | None, typer.Option(help="The vectors that were mapped, for search by meaning; needs --words.")
    ] = None,
    words: Annotated[
        Path | None, typer.Option(help="Vocabulary: a set of text vectors of the same space, each named by its word.")
    ] = None,
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "Explorer",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write a map as one offline page to zoom, search and select in (clipspace.report.write_explorer).

    Any number of points: a million take about 80 MB. Beyond 20,000, a sample is drawn while the map moves, and all points
    once it rests. Points have their columns in the map, and thumbnails where it was written with --source.
    """
    from clipspace.files import check_writable
    from clipspace.points.interchange import open_points
    from clipspace.report import write_explorer
    from clipspace.report.sprites import SIDES
    from clipspace.search.map_file import read_beside, read_images
    from clipspace.search.maps import load_map
    from clipspace.sources.images import decode_image, square

    check_writable(output, overwrite=overwrite)
    points = load_map(placed)
    columns, images = read_beside(placed), read_images(placed)
    if captions is not None and captions not in columns:
        raise InputError(f"explore: expected --captions to name one of the columns {sorted(columns)}, got {captions!r}")
    write_explorer(
        output,
        points,
        thumbnails=images and [square(decode_image(image), SIDES[0]) for image in images],
        captions=None if captions is None else [text or "" for text in columns.pop(captions)],
        vectors=None if vectors is None else open_points(vectors),
        words=None if words is None else open_points(words),
        columns=columns,
        title=title,
        overwrite=overwrite,
    )
    report({"page": str(output), "points": len(points)}, as_json, f"open {output}: {len(points):,} points")
