"""Commands that make and look at stores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clipspace.cli.options import Device, Engine, ImageColumn, Json, Kind, SpaceName, Workers, load, report
from clipspace.errors import InputError

app = typer.Typer()
StorePath = Annotated[Path, typer.Argument(help="Folder of the store to read.")]
NewStore = Annotated[Path, typer.Option("--output", "-o", help="Folder of the store to write.")]


@app.command()
def encode(
    source: Annotated[
        str, typer.Argument(help="Folder, .parquet, .tar, .txt (paths), a pattern of them, or a URL of fsspec.")
    ],
    output: NewStore,
    space: SpaceName = "mini",
    texts: Annotated[bool, typer.Option("--texts", help="Encode the captions as well.")] = False,
    dtype: Annotated[str, typer.Option(help="Type of the stored vectors: float32 or float16.")] = "float32",
    normalized: Annotated[bool, typer.Option("--normalized", help="Store directions, as clip-retrieval does.")] = False,
    kind: Kind = None,
    image_column: ImageColumn = None,
    caption_column: Annotated[str | None, typer.Option(help="Column of captions in Parquet files.")] = None,
    rows_per_shard: Annotated[int, typer.Option(help="Rows per shard, the work that a killed run can lose.")] = 4096,
    shard: Annotated[str, typer.Option(help="i/n: encode part i of n, from 0, as one job of an array.")] = "0/1",
    limit: Annotated[int | None, typer.Option(help="Encode only the first so many rows.")] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Images encoded at a time; by default 32 on a CPU, 128 on a GPU.")
    ] = None,
    workers: Workers = None,
    engine: Engine = "local",
    retry_rejected: Annotated[
        bool,
        typer.Option(
            "--retry-rejected", help="Try again what was unreadable, out of memory, or HEIC without its extra."
        ),
    ] = False,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Encode images into a store, going on where an earlier run stopped (clipspace.encode)."""
    from clipspace.sources import open_source
    from clipspace.space.encoding import PASSING
    from clipspace.space.encoding import encode as call

    if any((Path(source) / name).exists() for name in ("store.json", "img_emb")):
        raise InputError(f"encode: expected images, got the store {source!r}; name what it was encoded from")
    share = _share(shard)
    columns = {"image_column": image_column, "caption_column": caption_column}
    listed = open_source(source, kind=kind, rows_per_part=rows_per_shard, **columns)
    options = {"texts": texts, "dtype": dtype, "normalized": normalized, "shard": share, "limit": limit}
    options |= {"batch_size": batch_size, "workers": workers, "engine": engine, "retry_rejected": retry_rejected}
    done = call(load(space, device), listed, output, **options)
    reasons = "".join(f"\n  {count} {reason}" for reason, count in done.rejected.items())
    rate = f", {done.encoded_now / done.seconds:.1f} images/s" if done.encoded_now else ""
    text = (
        f"{done.stored} of {done.rows} images in {output}; {done.encoded_now} encoded now in {done.seconds:.1f} s{rate}"
        + ("" if done.complete else "\nunfinished: other shares are still to be encoded")
        + (f"\n{done.rows - done.stored} rejected, listed in {output / 'rejected'}:{reasons}" if done.rejected else "")
        + ("\n--retry-rejected tries again what may be readable by then" if done.rejected.keys() & PASSING else "")
        + (f"\n{done.ignored} other files (no images) were left alone" if done.ignored else "")
    )
    report({**vars(done), "path": str(output)}, as_json, text)
    if share == (0, 1) and not done.stored:
        raise InputError(f"encode: expected at least one image, got none of {done.rows}; see the reasons above")


@app.command()
def store(
    path: StorePath,
    verify: Annotated[bool, typer.Option("--verify", help="Read every file and compare checksums.")] = False,
    as_json: Json = False,
) -> None:
    """What a store holds, and what cannot be done with it (clipspace.points.store.open_store)."""
    from clipspace.points.store import open_store

    opened = open_store(path)
    if verify:
        opened.verify()
    facts = {
        "rows": len(opened), "dim": opened.dim, "dtype": opened.dtype.name, "normalized": opened.normalized,
        "modalities": list(opened.modalities), "shards": len(opened.shards), "hash": opened.hash,
        "stamp": None if opened.stamp is None else opened.stamp.to_dict(), "columns": opened.schema.names,
        "rejected": opened.header.get("rejected"), "limits": list(opened.limits),
    }  # fmt: skip
    report(facts, as_json, "\n".join([repr(opened), f"columns: {', '.join(opened.schema.names)}", *opened.limits]))


@app.command()
def merge(
    stores: Annotated[list[Path], typer.Argument(help="Folders of stores of one space.")], output: NewStore
) -> None:
    """One store of several (clipspace.points.store.merge)."""
    from clipspace.points.store import merge as call

    typer.echo(f"wrote {call(stores, output)}")


def _share(text: str) -> tuple[int, int]:
    try:
        i, n = map(int, text.split("/"))
    except ValueError:
        raise InputError(f"--shard: expected i/n such as 0/4, got {text!r}") from None
    return i, n
