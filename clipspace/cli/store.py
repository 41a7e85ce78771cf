"""Commands that write, read, filter and merge stores."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clipspace.cli.chosen import Chosen, takes_space
from clipspace.cli.options import (
    Engine,
    ImageColumn,
    Json,
    Kind,
    Workers,
    check_space,
    report,
)
from clipspace.errors import InputError, shortened

if TYPE_CHECKING:
    from pyarrow.dataset import Expression

    from clipspace.points.embeddings import Embeddings
    from clipspace.points.store import Store

app = typer.Typer()
StorePath = Annotated[Path, typer.Argument(help="Folder of the store to read.")]
NewStore = Annotated[Path, typer.Option("--output", "-o", help="Folder of the store to write.")]


@app.command()
@takes_space
def encode(
    source: Annotated[
        str,
        typer.Argument(
            help="Folder of images, a .parquet, .tar or .txt file (one path a line), a pattern of such files, or an fsspec URL."
        ),
    ],
    output: NewStore,
    *,
    space: Chosen,
    texts: Annotated[bool, typer.Option("--texts", help="Encode the captions as well.")] = False,
    store_dtype: Annotated[str, typer.Option(help="Type of the stored vectors: float32 or float16.")] = "float32",
    normalized: Annotated[
        bool, typer.Option("--normalized", help="Scale the stored vectors to norm 1, as clip-retrieval does.")
    ] = False,
    kind: Kind = None,
    image_column: ImageColumn = None,
    caption_column: Annotated[str | None, typer.Option(help="Column of captions in Parquet files.")] = None,
    rows_per_shard: Annotated[
        int, typer.Option(help="Rows per shard; an interrupted run repeats its unfinished shards.")
    ] = 4096,
    shard: Annotated[
        str, typer.Option(help="Encode only part i of n, written i/n with i from 0 to n - 1: one job of an array.")
    ] = "0/1",
    limit: Annotated[int | None, typer.Option(help="Number of rows to encode; all by default.")] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Images encoded at a time; by default 32 on a CPU, 128 on a GPU.")
    ] = None,
    workers: Workers = None,
    engine: Engine = "local",
    retry_rejected: Annotated[
        bool,
        typer.Option(
            "--retry-rejected",
            help="Try again images that were unreadable, ran out of memory, or needed the HEIC extra.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Encode images into a store of embeddings; the same command continues an interrupted run (clipspace.encode)."""
    from clipspace.sources import open_source
    from clipspace.space.encoding import PASSING
    from clipspace.space.encoding import encode as call

    if any((Path(source) / name).exists() for name in ("store.json", "img_emb")):
        raise InputError(f"encode: expected images, got the store {source!r}; name what it was encoded from")
    share = _share(shard)
    columns = {"image_column": image_column, "caption_column": caption_column}
    listed = open_source(source, kind=kind, rows_per_part=rows_per_shard, **columns)
    options = {"texts": texts, "dtype": store_dtype, "normalized": normalized, "shard": share, "limit": limit}
    options |= {"batch_size": batch_size, "workers": workers, "engine": engine, "retry_rejected": retry_rejected}
    done = call(space.load(), listed, output, **options)
    report({**vars(done), "path": str(output)}, as_json, _summary(done, output, PASSING))
    if share == (0, 1) and not done.stored:
        raise InputError(f"encode: expected at least one image, got none of {done.rows}; see the reasons above")


def _summary(done, output: Path, passing) -> str:
    """What a run has stored and rejected, in lines; rejections for the reasons ``passing`` may be tried again."""
    reasons = "".join(f"\n  {count} {reason}" for reason, count in done.rejected.items())
    rate = f", {done.encoded_now / done.seconds:.1f} images/s" if done.encoded_now else ""
    return (
        f"{done.stored} of {done.rows} images in {output}; {done.encoded_now} encoded now in {done.seconds:.1f} s{rate}"
        + ("" if done.complete else "\nunfinished: other shares are still to be encoded")
        + (f"\n{done.rows - done.stored} rejected, listed in {output / 'rejected'}:{reasons}" if done.rejected else "")
        + ("\n--retry-rejected tries again what may be readable by then" if done.rejected.keys() & passing else "")
        + (f"\n{done.ignored} other files (no images) were left alone" if done.ignored else "")
    )


@app.command()
def store(
    path: StorePath,
    verify: Annotated[bool, typer.Option("--verify", help="Read every file and compare checksums.")] = False,
    as_json: Json = False,
) -> None:
    """Show the rows, columns, model and limits of a store (clipspace.points.store.open_store)."""
    from clipspace.points.store import open_store

    opened = open_store(path)
    if verify:
        opened.verify()
    summary = {
        "rows": len(opened), "dim": opened.dim, "dtype": opened.dtype.name, "normalized": opened.normalized,
        "modalities": list(opened.modalities), "shards": len(opened.shards), "hash": opened.hash,
        "stamp": None if opened.stamp is None else opened.stamp.to_dict(), "columns": opened.schema.names,
        "rejected": opened.header.get("rejected"), "limits": list(opened.limits),
    }  # fmt: skip
    report(summary, as_json, "\n".join([repr(opened), f"columns: {', '.join(opened.schema.names)}", *opened.limits]))


@app.command()
@takes_space
def select(
    path: StorePath,
    output: NewStore,
    text: Annotated[str | None, typer.Option(help="Score each row by its cosine to a text.")] = None,
    image: Annotated[Path | None, typer.Option(help="Score each row by its cosine to an image.")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            help="Keep rows that meet a condition on a column, such as 'label == cat' or 'score > 0.2'; repeatable."
        ),
    ] = None,
    k: Annotated[int | None, typer.Option("-k", min=1, help="Keep only the rows of highest score, best first.")] = None,
    *,
    space: Chosen,
    as_json: Json = False,
) -> None:
    """Select rows of a store by a text, an image or a column, and write them as a new store (clipspace.points.store.select, export)."""
    from clipspace.points.store import export, open_store
    from clipspace.points.store import select as call

    if (text is None and image is None and not where) or None not in (text, image):
        raise InputError(
            "select: expected --where, and one of --text and --image, or either; choose rows by one of them"
        )
    opened, near = open_store(path), None
    if text is not None or image is not None:
        check_space(space.space, opened.dim, opened.stamp, str(path))
        near = _point(space, text, image)
        opened = open_store(path, stamp=near.stamp)
    conditions = [_condition(opened, row_condition, scored=near is not None) for row_condition in where or ()]
    condition = None
    for row_condition in conditions:
        condition = row_condition if condition is None else condition & row_condition
    new_store = export(call(opened, near=near, where=condition, k=k), output)
    report({"output": str(output), "rows": len(new_store)}, as_json, f"wrote {new_store}")


@app.command()
def merge(
    stores: Annotated[list[Path], typer.Argument(help="Folders of the stores to merge; all must be of one space.")],
    output: NewStore,
    as_json: Json = False,
) -> None:
    """Merge several stores into one (clipspace.points.store.merge)."""
    from clipspace.points.store import merge as call

    new_store = call(stores, output)
    report({"output": str(output), "rows": len(new_store)}, as_json, f"wrote {new_store}")


def _point(space: Chosen, text: str | None, image: Path | None) -> Embeddings:
    loaded = space.load()
    return loaded.encode_images([image]) if text is None else loaded.encode_texts([text])


def _condition(store: Store, text: str, *, scored: bool) -> Expression:
    """The expression of "column operator value", the value in the type of the column."""
    import pyarrow
    from pyarrow.compute import field

    match = re.fullmatch(r"\s*(.+?)\s*(==|!=|<=|>=|<|>)\s*(.*?)\s*", text)
    if match is None:
        raise InputError(f"--where: expected a column, an operator and a value, such as 'label == cat', got {text!r}")
    name, operator, value = match.groups()
    types = dict(zip(store.schema.names, store.schema.types, strict=True)) | (
        {"score": pyarrow.float32()} if scored else {}
    )
    if name not in types:
        raise InputError(f"--where: expected a column among {shortened(types)}, got {name!r}")
    try:
        typed = pyarrow.scalar(value).cast(types[name])
    except pyarrow.ArrowException as error:
        raise InputError(
            f"--where: expected a value of type {types[name]} for {name!r}, got {value!r} ({error})"
        ) from None
    column = field(name)
    compared = {
        "==": column.__eq__, "!=": column.__ne__, "<": column.__lt__,
        "<=": column.__le__, ">": column.__gt__, ">=": column.__ge__,
    }  # fmt: skip
    return compared[operator](typed)


def _share(text: str) -> tuple[int, int]:
    try:
        i, n = map(int, text.split("/"))
    except ValueError:
        raise InputError(f"--shard: expected i/n such as 0/4, got {text!r}") from None
    return i, n
