"""Commands that take many vectors, in a file or a store, and reduce, index, search and map them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from clipspace.cli.chosen import Chosen, takes_space
from clipspace.cli.options import (
    Engine,
    ImageColumn,
    Json,
    Kind,
    Output,
    Overwrite,
    Seed,
    Source,
    Workers,
    check_space,
    encoded_from,
    report,
    show,
)
from clipspace.cli.sets import Columns, Names, Vectors
from clipspace.errors import InputError
from clipspace.points.interchange import open_points

app = typer.Typer()

MAP_COLUMNS = ("name", "x", "y", "neighbors", "image")
"""Names of the map's own columns."""
MOST_IMAGES = 20_000
"""Largest number of images that a map file holds: some GB of photographs."""
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Number of threads; all cores by default.")]


@app.command()
def pca(
    points: Vectors,
    output: Output,
    components: Annotated[int | None, typer.Option(help="Number of components to keep; all by default.")] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Use the vectors as they are; by default each is scaled to norm 1 first.")
    ] = False,
    engine: Engine = "local",
    workers: Workers = None,
    device: Annotated[
        str | None, typer.Option("--device", help="Device, such as cuda for a GPU; NumPy by default.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Fit principal components to vectors in one pass, and save them as safetensors (clipspace.PCA)."""
    from clipspace.files import check_writable
    from clipspace.points.pca import PCA

    check_writable(output, overwrite=overwrite)
    compute = {"device": device, "engine": engine, "workers": workers}
    fitted = PCA(components, normalize=not raw, **compute).fit(open_points(points))
    fitted.save(output, overwrite=overwrite)
    shares = fitted.explained_variance_ratio_
    scaling = "vectors as they are" if raw else "directions (vectors scaled to norm 1)"
    summary = {"output": str(output), "rows": fitted.n_samples_seen_, "normalize": fitted.normalize}
    summary["explained_variance_ratio"] = shares.tolist()
    report(
        summary, as_json, f"wrote {output}: {len(shares)} components of {scaling}, {shares.sum():.1%} of the variance"
    )


@app.command()
def index(
    points: Vectors,
    output: Output,
    names: Names = None,
    recall: Annotated[
        float, typer.Option(help="Share of the true nearest neighbours that the index must find.")
    ] = 0.95,
    k: Annotated[
        int, typer.Option("-k", min=1, help="Number of nearest neighbours for which the recall is measured.")
    ] = 10,
    memory: Annotated[str | None, typer.Option(help="Upper limit of the index's memory, such as 500M or 4G.")] = None,
    trial: Annotated[
        bool,
        typer.Option(
            "--trial",
            help="Try several kinds of index on a sample first, for up to two minutes, and build the fastest.",
        ),
    ] = False,
    seed: Seed = 0,
    threads: Threads = None,
    engine: Engine = "local",
    workers: Workers = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Build a FAISS index, verify its recall, and write it to a folder (clipspace.build_index)."""
    from clipspace.search import build_index, check_target

    check_target(output, overwrite=overwrite)
    options = {"recall": recall, "k": k, "seed": seed, "threads": threads, "engine": engine, "workers": workers}
    options["kind"] = "trial" if trial else None
    built = build_index(open_points(points, names=names), memory=_bytes(memory), **options)
    built.save(output, overwrite=overwrite)
    report(
        {"output": str(output), "rows": len(built), **built.facts}, as_json, f"{_trial(built)}wrote {output}: {built}"
    )


@app.command()
@takes_space
def search(
    index: Annotated[Path, typer.Argument(help="Folder that `clipspace index` wrote.")],
    text: Annotated[str | None, typer.Option(help="Text to search for.")] = None,
    image: Annotated[Path | None, typer.Option(help="Image file to search for.")] = None,
    vectors: Annotated[
        Path | None, typer.Option(help="File of vectors, or a store, whose rows are searched for.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Number of rows to find for each query.")] = 10,
    *,
    space: Chosen,
    as_json: Json = False,
) -> None:
    """Find the rows of an index nearest to a text, an image or vectors (clipspace.retrieve).

    If the index does not say which model made its vectors, they are assumed to come from --space.
    """
    from clipspace.search import open_index

    queries = {"--text": text, "--image": image, "--vectors": vectors}
    query_options = [name for name, query in queries.items() if query is not None]
    if len(query_options) != 1:
        raise InputError(
            f"search: expected one of --text, --image and --vectors, got {' and '.join(query_options) or 'none'}"
        )
    opened = open_index(index, mmap=True)
    if vectors is not None:
        neighbours = opened.search(_queries(vectors, opened), k)
    else:
        from clipspace.search.retrieval import retrieve
        from clipspace.sources.image_or_text import Text
        from clipspace.sources.images import read_image

        query = Text(text) if image is None else read_image(image)
        check_space(space.space, opened.dim, opened.stamp, str(index))
        loaded = space.load()
        opened.stamp = opened.stamp or loaded.stamp
        neighbours = retrieve(loaded, opened, [query], k=k)
    frame = neighbours.to_frame()
    report(frame.to_dict("records"), as_json, frame.to_string(index=False))


@app.command()
def duplicates(
    points: Vectors,
    other: Annotated[
        Path | None, typer.Argument(help="Another set, such as a test set, whose rows are looked for in the first.")
    ] = None,
    false_rate: Annotated[
        float,
        typer.Option("--false-rate", help="Expected number of false pairs per row: 0.01 is one for every 100 rows."),
    ] = 0.01,
    index: Annotated[
        Path | None, typer.Option(help="Folder of an existing index of the first set; built by default.")
    ] = None,
    names: Names = None,
    other_names: Annotated[Path | None, typer.Option("--other-names", help="Like --names, for the other set.")] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Find copies within a set, or between two sets, at a chosen rate of false pairs (clipspace.probes.duplicates)."""
    from clipspace.probes import duplicates as call
    from clipspace.search import open_index

    opened = None if index is None else open_index(index)
    second = None if other is None else open_points(other, names=other_names)
    show(call(open_points(points, names=names), second, false_rate=false_rate, index=opened, seed=seed), as_json)


@app.command("map")
def map_(
    points: Vectors,
    output: Output,
    method: Annotated[str, typer.Option(help="Layout method: 'umap' or 'pca'.")] = "umap",
    names: Names = None,
    labels: Columns = None,
    index: Annotated[
        Path | None, typer.Option(help="Folder of an existing index of these points; built by default.")
    ] = None,
    n_neighbors: Annotated[int, typer.Option(help="Number of neighbours per point that UMAP uses.")] = 15,
    source: Source = None,
    kind: Kind = None,
    image_column: ImageColumn = None,
    seed: Seed = 0,
    threads: Threads = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Compute a 2-D map of a set and write it as Parquet, for `clipspace explore` or embedding-atlas (clipspace.umap_map, pca_map)."""
    from clipspace.files import check_writable
    from clipspace.search import open_index
    from clipspace.search.maps import pca_map, umap_map
    from clipspace.sources import read_named
    from clipspace.sources.named import told_apart

    if method not in ("umap", "pca"):
        raise InputError(f"map: expected --method 'umap' or 'pca', got {method!r}")
    check_writable(output, overwrite=overwrite)
    rows = open_points(points, names=names, labels=labels)
    if source is not None:
        _check_images_fit(rows)
    listed = encoded_from(source, kind, image_column)
    if listed is not None:
        places = getattr(rows, "places", None)
        told_apart(rows.names, places)
        read_named(listed, rows.names[:1], places and places[:1])
    if method == "pca":
        map_of_points = pca_map(rows)
    else:
        opened = None if index is None else open_index(index)
        map_of_points = umap_map(rows, index=opened, n_neighbors=n_neighbors, seed=seed, threads=threads)
    files = None if listed is None else read_named(listed, map_of_points.names, places)
    map_of_points.save(output, images=files, columns=_columns_of(rows), overwrite=overwrite)
    report(
        {"output": str(output), "points": len(map_of_points), **map_of_points.facts},
        as_json,
        f"wrote {output}: {len(map_of_points)} points",
    )


def _columns_of(points: Any) -> dict[str, Any]:
    """All columns of points but where their rows came from, those called as a map calls its own with "store_" before."""
    from clipspace.points.store import Store
    from clipspace.points.store.layout import PLACE

    columns = points.columns
    if isinstance(points, Store):  # as Arrow columns, of their own types
        table = points.metadata()
        columns = {name: table[name] for name in table.column_names}
    return {f"store_{name}" if name in MAP_COLUMNS else name: columns[name] for name in columns if name != PLACE}


def _check_images_fit(points: Any) -> None:
    """Raise `InputError` unless ``points`` have names to find images by, and memory holds the images of all."""
    from clipspace.points.embeddings import RowNumbers

    if isinstance(points.names, RowNumbers):
        raise InputError(
            "map: expected named points with --source, got vectors that are called by their numbers; give --names, or leave "
            "--source out"
        )
    if len(points) > MOST_IMAGES:
        raise InputError(
            f"map: expected at most {MOST_IMAGES:,} points with --source, as all images are held in memory, got "
            f"{len(points):,}; leave --source out, or map a part of the store (clipspace select)"
        )


def _trial(index: Any) -> str:
    """The table of the kinds that were tried, with the time that it took; nothing where none were."""
    from clipspace.results.table import Table

    trial = index.facts.get("trial")
    if trial is None:
        return ""
    rows = [
        {**row, "query": f"{1e6 * row['query']:.1f} us", "build": f"{row['build']:.1f} s"} for row in trial["kinds"]
    ]
    return f"{len(rows)} kinds tried on {trial['rows']:,} rows in {trial['seconds']} s\n{Table(rows, ('kind',))}\n\n"


def _queries(path: Path, index: Any) -> Any:
    """Vectors to search for; those that do not say their space are taken to be of the index's, as an array is."""
    points = open_points(path)
    return points if points.stamp is not None or index.stamp is None else points[:].vectors


def _bytes(text: str | None) -> int | None:
    """Bytes of "500M", "4G" or a plain number; None of None."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if match is None:
        raise InputError(f"--memory: expected a size such as 500M or 4G, got {text!r}")
    return int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " "))
