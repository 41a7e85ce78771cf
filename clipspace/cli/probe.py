"""Commands that measure a set: ``clipspace probe NAME``. Sets are .npy arrays of vectors, or images to encode."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from clipspace.cli.files import ARRAYS, kind_of, split_name, texts_at, values_at, vectors_at
from clipspace.cli.options import Device, Json, Seed, SpaceName, check_space, load, report
from clipspace.errors import InputError, shortened
from clipspace.points.embeddings import Embeddings
from clipspace.results.result import Result

app = typer.Typer(
    name="probe",
    help="Measure what an embedding encodes; every score comes with its chance level.",
    no_args_is_help=True,
)

SHOWN = 20
"""Images that the text of `concepts` lists."""
Points = Annotated[
    Path, typer.Argument(help="A store, vectors (.npy, .npz, .parquet; n x d), or a folder of images to encode.")
]
Labels = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        help="One label a line, .npy, .npz, file:column of .csv, .tsv or .parquet (matched by a column that names the rows, "
        "else taken in order), or a column of the store; for images, their folders when left out.",
    ),
]
Texts = Annotated[
    Path,
    typer.Option("--texts", help="One text a line, file:column of a .csv or .parquet, or their vectors (.npy, .npz)."),
]


@app.command("zero-shot")
def zero_shot(
    points: Points,
    labels: Labels = None,
    classes: Annotated[
        list[str] | None,
        typer.Option("--class", help="A label to choose from; may be repeated. By default all that occur."),
    ] = None,
    templates: Annotated[
        list[str] | None,
        typer.Option("--template", help="photo, imagenet-80, imagenet-7, or a text with {}; may be repeated."),
    ] = None,
    probability: Annotated[
        str | None, typer.Option("--probability", help="softmax or sigmoid; by default as the model was trained.")
    ] = None,
    top: Annotated[int, typer.Option("--top", help="Also score whether the label is among the first so many.")] = 5,
    per_class: Annotated[bool, typer.Option("--per-class", help="Print a line for each label.")] = False,
    space: SpaceName = "mini",
    seed: Seed = 0,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Zero-shot accuracy: is the right label the nearest text (clipspace.probes.classification.zero_shot_accuracy).

    Vectors of a file are taken to be of --space.
    """
    from clipspace.probes.classification import zero_shot_accuracy

    images, truth = _labelled(points, labels, space, device)
    check_space(space, images.dim, images.stamp, str(points))
    loaded = load(space, device)
    images = images if images.stamp else Embeddings(images.vectors, loaded.stamp)
    chosen = templates or ["photo"]
    wanted = chosen[0] if len(chosen) == 1 and "{" not in chosen[0] else chosen
    _show(
        zero_shot_accuracy(
            loaded,
            images,
            truth,
            classes or None,
            templates=wanted,
            probability=probability,
            k=top,
            per_class=per_class,
            seed=seed,
        ),
        as_json,
    )


@app.command()
def linear(
    points: Points,
    labels: Labels = None,
    search: Annotated[
        str, typer.Option(help="How the penalty is chosen: 'sweep' tries 96 values, 'binary' is a binary search.")
    ] = "sweep",
    shots: Annotated[list[int] | None, typer.Option(help="Training examples per class; may be repeated.")] = None,
    draws: Annotated[int, typer.Option(help="Draws for each number of shots.")] = 10,
    targets: Annotated[bool, typer.Option("--regress", help="The labels are numbers: ridge regression.")] = False,
    before: Annotated[
        bool, typer.Option("--before-projection", help="Use the features before the projection (images only).")
    ] = False,
    space: SpaceName = "mini",
    seed: Seed = 0,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """How well a linear map predicts the labels (probes.logistic_regression.linear, few_shot; probes.ridge_regression.ridge)."""
    images, truth = _labelled(points, labels, space, device, before=before)
    if targets:
        from clipspace.probes.ridge_regression import ridge

        _show(ridge(images, {"label": _numbers(truth)}, seed=seed), as_json)
        return
    from clipspace.probes.logistic_regression import few_shot, linear

    if shots:
        _show(few_shot(images, truth, shots=shots, draws=draws, seed=seed, device=device), as_json)
    else:
        _show(linear(images, truth, search=search, seed=seed, device=device), as_json)


@app.command()
def knn(
    points: Points,
    labels: Labels = None,
    k: Annotated[int, typer.Option("-k", help="Number of neighbours that vote.")] = 20,
    temperature: Annotated[float, typer.Option(help="Each vote has the weight exp(cosine / temperature).")] = 0.07,
    space: SpaceName = "mini",
    seed: Seed = 0,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """How well the nearest neighbours predict the labels (clipspace.probes.nearest_neighbours.knn_probe)."""
    from clipspace.probes.nearest_neighbours import knn

    images, truth = _labelled(points, labels, space, device)
    _show(knn(images, truth, k=k, temperature=temperature, seed=seed), as_json)


@app.command()
def geometry(
    points: Points,
    texts: Annotated[
        Path | None, typer.Option("--texts", help="Texts of the images, row by row; measures the modality gap.")
    ] = None,
    ids: Annotated[
        Path | None,
        typer.Option(
            "--ids", help="With --texts: one id a row. Rows of one id belong together, as rows of one text do."
        ),
    ] = None,
    other: Annotated[
        Path | None, typer.Option("--other", help="The same rows in another space; compared by CKA and RSA.")
    ] = None,
    estimators: Annotated[
        list[str] | None,
        typer.Option("--estimator", help="Dimension estimator of scikit-dimension, such as lPCA; may be repeated."),
    ] = None,
    space: SpaceName = "mini",
    seed: Seed = 0,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Spread, dimension and hubness of a set (clipspace.probes.modalities.geometry; modality_gap with --texts, compare with --other)."""
    from clipspace.probes import geometry as probes

    if texts is not None:
        together = None if ids is None else values_at(ids).tolist()
        _show(probes.modality_gap(*_with_texts(points, texts, space, device), ids=together, seed=seed), as_json)
        return
    if ids is not None:
        raise InputError(
            "geometry: expected --texts with --ids, got none; ids say which images and texts belong together"
        )
    images = _images(points, space, device)
    if other is not None:
        _show(probes.compare(images, _images(other, space, device), seed=seed), as_json)
    else:
        _show(probes.modalities(images, estimators=estimators or (), seed=seed), as_json)


@app.command()
def concepts(
    points: Points,
    texts: Texts,
    strength: Annotated[float, typer.Option(help="Strength of the penalty; a larger one gives fewer words.")] = 0.25,
    top: Annotated[int, typer.Option("--top", help="Number of words shown for each image.")] = 5,
    greedy: Annotated[
        int | None, typer.Option("--span", help="Instead, find this many texts that span the set.")
    ] = None,
    space: SpaceName = "mini",
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Images as sums of words (clipspace.probes.concepts.decompose), or a basis of texts (probes.text_span.text_span)."""
    images, words = _with_texts(points, texts, space, device)
    if greedy is not None:
        from clipspace.probes.text_basis import text_span

        _show(text_span(images, words, greedy).scores, as_json)
        return
    from clipspace.probes.concepts import Vocabulary, decompose

    found = decompose(images, Vocabulary.of(words, images), strength=strength, device=device)
    each = [{"name": name, "words": row} for name, row in zip(images.names, found.top(top), strict=True)]
    lines = [f"{e['name']}: " + ", ".join(f"{word} {weight:.2f}" for word, weight in e["words"]) for e in each[:SHOWN]]
    if len(each) > SHOWN:
        lines.append(f"and {len(each) - SHOWN:,} more images; --json lists all")
    report({**found.scores.to_dict(), "images": each}, as_json, "\n".join([*lines, "", str(found.scores)]))


def _show(result: Result, as_json: bool) -> None:
    report(result.to_dict(), as_json, str(result))


def _images(path: Path, space: str, device: str | None, *, before: bool = False) -> Embeddings:
    """The rows of a store, the vectors of a file (without a stamp), or the images of a folder, encoded."""
    if before and (_is_vectors(path) or _is_store(path)):
        raise InputError("probe: expected images for --before-projection, got vectors; give a folder of images")
    if _is_vectors(path):
        return _unstamped(path)
    if _is_store(path):
        return _stored(path)
    files = _files(path)
    loaded = load(space, device)
    points = loaded.encode_features(files) if before else loaded.encode_images(files)
    return Embeddings(points.vectors, points.stamp, "image", _names(path))


def _labelled(
    path: Path, labels: Path | None, space: str, device: str | None, *, before: bool = False
) -> tuple[Embeddings, np.ndarray]:
    """Images and the label of each, read before anything is encoded."""
    if _is_store(path):
        truth = _column(path, labels)
    elif labels is not None:
        truth = values_at(labels, _names(path))
    elif _is_vectors(path):
        raise InputError(f"probe: expected labels for {str(path)!r}, got none; give them with --labels")
    else:
        truth = np.array([file.parent.name for file in _files(path)])
    return _images(path, space, device, before=before), truth


def _with_texts(points: Path, texts: Path, space: str, device: str | None) -> tuple[Embeddings, Embeddings]:
    """Images and texts of one space: that of the images, or the one named, which vectors of a file are taken to be of."""
    if kind_of(texts) in ARRAYS:
        images = _images(points, space, device)
        return images, Embeddings(_unstamped(texts).vectors, images.stamp, "text")
    read, images = texts_at(texts, _names(points)), _images(points, space, device)
    check_space(space, images.dim, images.stamp, str(points))
    words = load(space, device).encode_texts(read)
    return (images if images.stamp else Embeddings(images.vectors, words.stamp)), words


def _names(path: Path) -> list[str] | None:
    """The names of the rows of a store or a folder of images; None where there are only row numbers."""
    if _is_store(path):
        from clipspace.points.store import open_store

        names = open_store(path).names
        return None if names == list(map(str, range(len(names)))) else names
    return None if _is_vectors(path) else [str(file.relative_to(path)) for file in _files(path)]


def _is_vectors(path: Path) -> bool:
    return kind_of(path) in (*ARRAYS, ".parquet")


def _unstamped(path: Path) -> Embeddings:
    array = vectors_at(path)
    return Embeddings(array if np.issubdtype(array.dtype, np.floating) else array.astype(np.float32))


def _is_store(path: Path) -> bool:
    return any((path / name).exists() for name in ("store.json", "img_emb"))


def _stored(path: Path) -> Embeddings:
    """The vectors and names of a store. Its other columns are not read: as lists they would take more than the vectors."""
    from clipspace.points.store import open_store

    store = open_store(path)
    shards = list(store.blocks(len(store)))
    vectors = shards[0] if len(shards) == 1 else np.concatenate(shards)
    return Embeddings(vectors, store.stamp, store.modality, store.names)


def _column(store: Path, name: Path | None) -> np.ndarray:
    """Labels of a store: the column that --labels names, or a file as for other sets."""
    from clipspace.points.store import open_store

    opened = open_store(store)
    if name is not None and str(name) not in opened.schema.names and split_name(name)[0].is_file():
        return values_at(name, _names(store))
    if name is None or str(name) not in opened.schema.names:
        got = "none" if name is None else repr(str(name))
        raise InputError(
            f"probe: expected --labels to name one of the columns {shortened(opened.schema.names, 30)}, or a file; got {got}"
        )
    return opened.metadata([str(name)])[str(name)].to_numpy()


def _files(folder: Path) -> list[Path]:
    from clipspace.sources.images import sort_out

    if not folder.is_dir():
        raise InputError(
            f"probe: expected vectors (.npy, .npz, .parquet), a store or a folder of images, got {str(folder)!r}; "
            "check the path"
        )
    files, others = sort_out(folder)
    if not files:
        raise InputError(
            f"probe: expected images in {str(folder)!r}, got none among {len(others)} files; check the folder"
        )
    return files


def _numbers(values: np.ndarray) -> np.ndarray:
    try:
        return values.astype(np.float64)
    except ValueError as error:
        raise InputError(f"probe: expected numbers for --regress, got {error}") from None
