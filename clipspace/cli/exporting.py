"""The command that writes a benchmark for other encoders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clipspace.cli.options import Json, Seed, report

app = typer.Typer()


@app.command()
def export_factors(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write; it must not exist.")],
    images: Annotated[int, typer.Option(help="Number of scenes to render.")] = 2000,
    pairs: Annotated[int, typer.Option(help="Images of each factor in which that factor alone is changed.")] = 100,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Write scenes of known factors as Parquet, and a scorer that takes any encoder's vectors (clipspace.probes.export_factors)."""
    from clipspace.probes.factors.export import SCORER
    from clipspace.probes.factors.export import export_factors as call

    folder = call(output, n=images, pairs=pairs, seed=seed)
    text = f"{images:,} images in {folder}; score vectors of them with: python {folder / SCORER} vectors.npy"
    report({"folder": str(folder), "images": images, "pairs": pairs}, as_json, text)
