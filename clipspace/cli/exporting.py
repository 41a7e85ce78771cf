"""Commands that write for others: vectors as tables, and a benchmark for other encoders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clipspace.cli.options import Json, Overwrite, Seed, report
from clipspace.cli.sets import Columns, Names, Vectors

app = typer.Typer()


@app.command()
def export(
    points: Vectors,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="A .parquet, .arrow or .lance file; any other name is a new store.")
    ],
    names: Names = None,
    labels: Columns = None,
    norms: Annotated[
        Path | None,
        typer.Option(
            "--norms",
            help="Norms of the raw vectors, if these are scaled to norm 1; takes the same kinds of file as --names.",
        ),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option("--space", help="Space that the vectors were encoded in, if the file does not name it."),
    ] = None,
    modality: Annotated[
        str | None, typer.Option("--modality", help="What was encoded, image or text, if the file does not say.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write vectors with their names, columns, model and norms, for other programs or as a store (clipspace.points.interchange).

    Prints what is not known about the vectors, and which option adds it.
    """
    from clipspace.points.interchange import limits, open_points, write_points
    from clipspace.points.interchange.writing import SUFFIXES, check_output, embedded
    from clipspace.points.store import write_store

    is_table = output.suffix.lower() in SUFFIXES
    if is_table:
        check_output(output, overwrite=overwrite)
    stamp = None if space is None else _stamp_of(space)
    opened = open_points(points, names=names, labels=labels, norms=norms, space=stamp, modality=modality)
    if is_table:
        write_points(output, opened, overwrite=overwrite)
    else:
        write_store(output, embedded(opened))
    lacking = limits(opened)
    summary = {"output": str(output), "rows": len(opened), "dim": opened.dim, "limits": list(lacking)}
    text = [f"wrote {output}: {len(opened):,} x {opened.dim}, {opened.stamp or 'no stamp'}", *lacking]
    report(summary, as_json, "\n".join(text))


def _stamp_of(space: str):
    from clipspace.space import load_space

    return load_space(space, prior=False).stamp


@app.command()
def export_factors(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write; it must not exist.")],
    images: Annotated[int, typer.Option(help="Number of scenes to render.")] = 2000,
    pairs: Annotated[int, typer.Option(help="Number of images per factor in which only that factor is changed.")] = 100,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Write rendered scenes with known factors, and a script that scores any encoder on them (clipspace.probes.export_factors)."""
    from clipspace.probes.factors.export import SCORER
    from clipspace.probes.factors.export import export_factors as call

    folder = call(output, n=images, pairs=pairs, seed=seed)
    text = f"{images:,} images in {folder}; score vectors of them with: python {folder / SCORER} vectors.npy"
    report({"folder": str(folder), "images": images, "pairs": pairs}, as_json, text)
