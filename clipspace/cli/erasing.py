"""The command that removes what labels say from a set of vectors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from clipspace.cli.chosen import Chosen, takes_space
from clipspace.cli.options import Json, Output, Overwrite, Seed, report
from clipspace.cli.sets import Labels, Names, Points, labelled_at
from clipspace.errors import InputError

if TYPE_CHECKING:
    from clipspace.points.embeddings import Embeddings

app = typer.Typer()


@app.command()
@takes_space
def erase(
    points: Points,
    output: Output,
    labels: Labels = None,
    names: Names = None,
    amounts: Annotated[bool, typer.Option("--amounts", help="Treat the labels as numbers instead of classes.")] = False,
    period: Annotated[
        float | None,
        typer.Option(help="Treat the labels as numbers with this period, such as 360 for degrees."),
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Use the vectors as they are; by default each is scaled to norm 1 first.")
    ] = False,
    eraser: Annotated[
        Path | None,
        typer.Option("--eraser", help="Also save the fitted map as safetensors, to apply it to other vectors."),
    ] = None,
    overwrite: Overwrite = False,
    *,
    space: Chosen,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Remove from vectors all that a linear map can predict of the labels, and write the result (clipspace.probes.erase).

    The output is a .npy file, or the folder of a new store.
    """
    from clipspace.files import check_writable
    from clipspace.probes import erasure_scores, fit_eraser

    _check_output(output, overwrite)
    if eraser is not None:
        check_writable(eraser, overwrite=overwrite)
    images, truth = labelled_at(points, labels, space, names=names)
    truth = _numbers(truth) if amounts or period is not None else truth.astype(str)
    fitted = fit_eraser(images, truth, period=period, normalize=not raw)
    scores = erasure_scores(images, truth, fitted, period=period, seed=seed)
    _write(fitted.apply(images), output, overwrite)
    if eraser is not None:
        fitted.save(eraser, overwrite=overwrite)
    removed = f"{fitted.left.shape[1]} of {images.dim} dimensions removed from {len(images):,} rows"
    summary = {"output": str(output), "dimensions": fitted.left.shape[1], **scores.to_dict()}
    report(summary, as_json, f"{scores}\n\nwrote {output}: {removed}")


def _numbers(labels: np.ndarray) -> np.ndarray:
    try:
        return labels.astype(np.float64)
    except ValueError as error:
        raise InputError(f"erase: expected numbers as labels, got {error}; leave --amounts and --period out") from None


def _check_output(output: Path, overwrite: bool) -> None:
    """Raise `InputError`, before anything is encoded, where the erased vectors cannot be written."""
    from clipspace.files import check_parent, check_writable

    if output.suffix == ".npy":
        check_writable(output, overwrite=overwrite)
    elif output.exists():
        raise InputError(
            f"erase: {str(output)!r} exists; choose another folder for the store, or a name that ends in .npy"
        )
    else:
        check_parent(output)


def _write(erased: Embeddings, output: Path, overwrite: bool) -> None:
    from clipspace.files import atomically
    from clipspace.points.store import write_store

    if output.suffix == ".npy":
        with atomically(output, overwrite=overwrite) as part:
            np.save(part, erased.vectors)
    else:
        write_store(output, erased)
