"""The command that asks whether a space works on this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from clipspace.cli.chosen import Chosen, takes_space
from clipspace.cli.options import Json, check_images, report
from clipspace.errors import InputError, shortened
from clipspace.results.table import Row

app = typer.Typer()


@app.command()
@takes_space
def check(
    name: Annotated[str | None, typer.Argument(help="Name of the space, as --space takes it.")] = None,
    images: Annotated[
        list[Path] | None, typer.Argument(help="Your images, or folders of them; rendered scenes by default.")
    ] = None,
    n: Annotated[int, typer.Option("-n", min=4, help="Maximum number of images to check with.")] = 8,
    *,
    space: Chosen,
    as_json: Json = False,
) -> None:
    """Check that a space works on this machine: one line per test, pass, doubt or fail (clipspace.probes.check).

    Exits with 1 if a test fails. Give images of the kind that the decoder was made for; scenes suit the mini space alone.
    """
    from clipspace.probes.checkup import check as call
    from clipspace.sources.images import expand_folders

    files = expand_folders(images or [])
    if images and not files:
        raise InputError(f"check: expected images in {shortened(map(str, images))}, got none; check the paths")
    check_images(files[:n])
    loaded = replace(space, space=name or space.space).load()
    result = call(loaded, files or None, n=n, num_inference_steps=space.steps, guidance_scale=space.guidance)
    report(result.to_dict(), as_json, "\n".join([*map(_line, result), *result.findings]))
    if "fail" in result.column("verdict"):
        raise typer.Exit(1)


def _line(row: Row) -> str:
    """One row as a line of text; of one that passes without what to do."""
    cure = f"; {row.do}" if row.do else ""
    return f"{row.verdict:5}  {row.check}: {row.got} (expected {row.expected}){cure}"
