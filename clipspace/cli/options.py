"""Options that commands share, and the functions that check inputs and print a result."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clipspace import progress
from clipspace.errors import InputError, SpaceMismatchError
from clipspace.plain import to_json
from clipspace.points.embeddings import Stamp

if TYPE_CHECKING:
    from clipspace.results.result import Result

Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of all random numbers.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the output if it exists.")]
Engine = Annotated[str, typer.Option("--engine", help="Where the work runs: local, or ray for a Ray cluster.")]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Number of workers; all cores or GPUs by default.")
]
Source = Annotated[
    str | None,
    typer.Option("--source", help="Images that the store was encoded from, as given to `encode`; needed to show them."),
]
Kind = Annotated[
    str | None,
    typer.Option("--kind", help="Input format (folder, parquet, tar or list); inferred from the name by default."),
]
ImageColumn = Annotated[
    str | None, typer.Option("--image-column", help="Column of images in Parquet files; found by its type by default.")
]
Output = Annotated[Path, typer.Option("--output", "-o", help="File or folder to write.")]


def check_space(name: str, dim: int, stamp: Stamp | None, what: str) -> None:
    """Raise `SpaceMismatchError`, before anything is loaded, where ``--space`` is of another dimension than ``what``."""
    from clipspace.models.catalogue import dimension_of, pairing

    pairing(name)
    expected = dimension_of(name)
    if expected in (None, dim):
        return
    cure = "--space must name the space that they were encoded in, such as ViT-L-14/openai"
    if stamp is not None:
        cure = f"they are of {stamp}: pass --space {stamp.model}"
    raise SpaceMismatchError(
        f"{what}: expected vectors of {expected} dimensions, as of --space {name}, got {dim}; {cure}"
    )


def check_images(points: Iterable) -> None:
    """Read those of ``points`` that are no texts, so that a file that is no image is refused before anything is loaded."""
    from clipspace.sources.image_or_text import is_text
    from clipspace.sources.images import read_image

    for point in points:
        if not is_text(point):
            read_image(point)


def encoded_from(source: str | None, kind: str | None, image_column: str | None) -> Any:
    """The source that ``--source`` names, listed; None without one."""
    from clipspace.sources import open_source

    if source is not None:
        return open_source(source, kind=kind, image_column=image_column)
    if kind or image_column:
        raise InputError("--kind and --image-column say how --source is read; expected it, got none")
    return None


def report(answer: Any, as_json: bool, text: str) -> None:
    """Print an answer."""
    with progress.hidden():
        typer.echo(to_json(answer) if as_json else text)


def show(result: Result, as_json: bool) -> None:
    """Print a result, as text or as JSON."""
    report(result.to_dict(), as_json, str(result))


def option_of(key: str, text: str, usual: Any) -> Any:
    """The option of a keyword with this default; it may be repeated for a tuple, of texts where the tuple is empty."""
    is_repeated = isinstance(usual, tuple)
    value_type = type(usual[0]) if is_repeated and usual else str if is_repeated else type(usual)
    flags = ["--" + key.replace("_", "-"), *([f"-{key}"] if len(key) == 1 else [])]
    return Annotated[list[value_type] if is_repeated else value_type, typer.Option(*flags, help=text)]


def listed(value: Any) -> Any:
    """``value``, as a list where it is a tuple: what an option that may be repeated gives."""
    return list(value) if isinstance(value, tuple) else value
