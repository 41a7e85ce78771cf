"""Commands that run analyses and put them on a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from clipspace.analyses import about, names
from clipspace.cli.chosen import Chosen, takes_space
from clipspace.cli.options import (
    ImageColumn,
    Json,
    Kind,
    Output,
    Overwrite,
    Seed,
    Source,
    encoded_from,
)
from clipspace.cli.options import report as say

app = typer.Typer()
Images = Annotated[
    list[Path] | None, typer.Argument(help="Your images, or folders of them; rendered scenes by default.")
]


@app.command()
@takes_space
def demo(
    images: Images = None,
    output: Output = Path("clipspace-demo"),
    *,
    space: Chosen,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Run every manipulation of the DALL-E 2 paper and show them on one page (clipspace.report.building.write_report)."""

    demos = [name for name in names() if about(name).demo]
    _write(images, output, as_json, space, only=demos, explore=False, seed=seed, overwrite=overwrite)


@app.command()
@takes_space
def report(
    images: Images = None,
    output: Output = Path("clipspace-report"),
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Name of an analysis to run; may be repeated. All by default.")
    ] = None,
    store: Annotated[Path | None, typer.Option("--store", help="Store whose embeddings are analysed.")] = None,
    source: Source = None,
    kind: Kind = None,
    image_column: ImageColumn = None,
    explorer: Annotated[bool, typer.Option(help="Put an interactive map on the page.")] = True,
    *,
    space: Chosen,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Run all analyses on your images, a store or rendered scenes, and write one offline page with an interactive map.

    The first line of each section says what it was computed on. An analysis that needs more input than given is left out, and
    the page says why (clipspace.report.building.write_report).
    """
    plain = not (kind or image_column) or (source and not store)  # refused before it is listed
    listed = source if plain else encoded_from(source, kind, image_column)
    options = {"only": only or None, "store": store, "source": listed, "explore": explorer}
    _write(images, output, as_json, space, seed=seed, overwrite=overwrite, **options)


def _write(images: Sequence[Path] | None, output: Path, as_json: bool, space: Chosen, **options: Any) -> None:
    from clipspace.models.devices import check_device
    from clipspace.report.building import write_report

    check_device(space.device)
    sampling = {"num_inference_steps": space.steps, "guidance_scale": space.guidance}
    page = write_report(output, images or None, space=space.space, **options, **sampling, **space.loading())
    say({"page": str(page)}, as_json, f"open {page}")
